import * as vscode from 'vscode';
import type { PictureColours } from '../../core/operator/picture.js';

/**
 * The colours of pictures in hovers. An extension cannot read a theme's colours, and a picture cannot ask for them:
 * these are VS Code's own for each kind of theme, the ones that the panels have by default.
 */
export function themeColours(): PictureColours {
  switch (vscode.window.activeColorTheme.kind) {
    case vscode.ColorThemeKind.Dark:
      return { norm: '#ea5c00', angle: '#59a4f9', text: '#cccccc', quiet: '#9d9d9d' };
    case vscode.ColorThemeKind.Light:
      return { norm: '#ea5c00', angle: '#0063d3', text: '#3b3b3b', quiet: '#6b6b6b' };
    case vscode.ColorThemeKind.HighContrast:
      return { norm: '#ab5a00', angle: '#59a4f9', text: '#ffffff', quiet: '#d0d0d0' };
    case vscode.ColorThemeKind.HighContrastLight:
      return { norm: '#0f4a85', angle: '#1a85ff', text: '#292929', quiet: '#4a4a4a' };
  }
}
