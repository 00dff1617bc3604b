/**
 * Tell the controls and charts, which take VS Code's colours when the body's class changes, of the browser's colour
 * scheme, and of colours that the system forces on it.
 */
export function followScheme(): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const forced = matchMedia('(forced-colors: active)');
  const apply = (): void => {
    const kind = forced.matches
      ? `vscode-high-contrast${dark.matches ? '' : '-light'}`
      : `vscode-${dark.matches ? 'dark' : 'light'}`;
    document.body.className = kind;
    document.body.dataset.vscodeThemeKind = kind;
  };
  apply();
  dark.addEventListener('change', apply);
  forced.addEventListener('change', apply);
}
