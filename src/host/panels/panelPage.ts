import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { DocumentName } from '../../protocol/panels/names.js';

/** What a panel's document may load: its own script and style, nothing else. */
export function panelOptions(extension: vscode.Uri): vscode.WebviewOptions & vscode.WebviewPanelOptions {
  return { enableScripts: true, localResourceRoots: [webviewFolder(extension)] };
}

/** The document of a panel: an empty page that names its panel; the script builds the rest. */
export function panelPage(webview: vscode.Webview, extension: vscode.Uri, panel: DocumentName): string {
  const file = (name: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(webviewFolder(extension), name)).toString();
  const nonce = randomBytes(16).toString('base64');
  const policy = [
    `default-src 'none'`,
    `script-src 'nonce-${nonce}'`,
    // With a nonce, because the toolkit tries a style element of its own when it loads.
    `style-src ${webview.cspSource} 'nonce-${nonce}'`,
    `img-src ${webview.cspSource} data: blob:`,
    `font-src ${webview.cspSource}`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="UTF-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta property="csp-nonce" content="${nonce}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="${file(`${panel}.css`)}">
  <title>DCNet</title>
</head>
<body data-panel="${panel}">
  <script nonce="${nonce}" src="${file(`${panel}.js`)}"></script>
</body>
</html>`;
}

function webviewFolder(extension: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extension, 'dist', 'webview');
}
