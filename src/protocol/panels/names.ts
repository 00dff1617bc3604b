// Apart from the rest, because activation needs it: what it imports is loaded with every window.

/** Which panel a webview document is: `data-panel` of its body, its folder in `webview`, and `dcnet.<name>` to VS Code. */
export const panelNames = ['training', 'layer', 'errors', 'diff'] as const;
export type PanelName = (typeof panelNames)[number];

/** A panel or the custom editor of tensors, which VS Code restores with its file. */
export type DocumentName = PanelName | 'tensors';
