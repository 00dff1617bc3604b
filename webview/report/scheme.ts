/** Tell the controls, which take VS Code's colours when the body's class changes, of the browser's colour scheme. */
export function followScheme(): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = (): void => {
    const kind = dark.matches ? 'vscode-dark' : 'vscode-light';
    document.body.className = kind;
    document.body.dataset.vscodeThemeKind = kind;
  };
  apply();
  dark.addEventListener('change', apply);
}
