// Apart from the rest, because activation needs it: what it imports is loaded with every window.

/** Which panel a webview document is: `data-panel` of its body, its folder in `webview`, and `dcnet.<name>` to VS Code. */
export const panelNames = ['training', 'layer', 'diff'] as const;
export type PanelName = (typeof panelNames)[number];

/** Documents of custom editors: they are restored by VS Code with their file. */
const editorNames = ['tensors'] as const;
export type DocumentName = PanelName | (typeof editorNames)[number];
