import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { inWorkspace, openInEditor } from './support/extension.js';
import { until } from './support/until.js';
import { Workbench } from './support/workbench.js';

const ours = (uri: vscode.Uri): vscode.Diagnostic[] =>
  vscode.languages.getDiagnostics(uri).filter(({ source }) => source === 'DCNet');

describe('Config', () => {
  it('is JSON with comments', async () => {
    const { document } = await openInEditor(inWorkspace('broken.dcnet.json'));
    assert.equal(document.languageId, 'jsonc');
  });

  it('shows what is wrong where it is, and what was probably meant', async function () {
    const { document } = await openInEditor(inWorkspace('broken.dcnet.json'));
    const found = await until('two problems', () => {
      const diagnostics = ours(document.uri);
      return diagnostics.length >= 2 && diagnostics;
    });
    const at = (text: string): vscode.Diagnostic => {
      const diagnostic = found.find(({ range }) => document.getText(range) === text);
      assert.ok(diagnostic, `a problem at ${text} among ${found.map((d) => document.getText(d.range))}`);
      return diagnostic;
    };
    assert.match(at('"tanhh"').message, /Did you mean "tanh"\?/);
    assert.equal(at('"tanhh"').range.start.line, 4);
    assert.equal(at('"tanhh"').severity, vscode.DiagnosticSeverity.Error);
    assert.match(at('"unit"').message, /Did you mean "units"\?/);
    if (process.env.DCNET_TEST_CDP !== undefined)
      await (await Workbench.of(this)).screenshot('config-problems');
  });

  it('offers the fix, and is content with it', async () => {
    const { document } = await openInEditor(inWorkspace('broken.dcnet.json'));
    await until('problems', () => ours(document.uri).length >= 2);
    for (const [wrong, right] of [
      ['"tanhh"', '"tanh"'],
      ['"unit"', '"units"'],
    ] as const) {
      const offset = document.getText().indexOf(wrong);
      const range = new vscode.Range(document.positionAt(offset), document.positionAt(offset + wrong.length));
      const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        document.uri,
        range,
      );
      const action = actions.find(({ title }) => title === `Change to ${right}`);
      assert.ok(action?.edit, `a fix for ${wrong} among ${actions.map(({ title }) => title)}`);
      await vscode.workspace.applyEdit(action.edit);
    }
    assert.match(document.getText(), /"magnitude": "tanh" .*\n.*\n.*"units": 10/);
    await until('no problems', () => ours(document.uri).length === 0);
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('says which layer cannot fit', async () => {
    const document = await vscode.workspace.openTextDocument(inWorkspace('broken.dcnet.json'));
    const edit = new vscode.WorkspaceEdit();
    const all = new vscode.Range(document.positionAt(0), document.positionAt(document.getText().length));
    const layers =
      '{ "type": "max-pool", "size": 40 }, { "type": "flatten" }, { "type": "dense", "units": 10 }';
    edit.replace(
      document.uri,
      all,
      `{ "data": { "dataset": "fashion-mnist-sample" }, "layers": [${layers}] }`,
    );
    await vscode.workspace.applyEdit(edit);
    const [problem] = await until('a problem', () => {
      const found = ours(document.uri).filter(({ message }) => message.includes('max-pool1'));
      return found.length > 0 && found;
    });
    assert.match(problem!.message, /28/); // the image is smaller than the window
    await openInEditor(document.uri.fsPath);
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('completes names and explains fields from the schema', async () => {
    const { document } = await openInEditor(inWorkspace('broken.dcnet.json'));
    const offset = document.getText().indexOf('"tanhh"') + 1;
    const names = ['sphere', 'ball', 'tanh', 'linear', 'seg', 'log', 'mix'];
    // VS Code's JSON service starts with the first JSON file, and before it answers there are the document's words.
    await until('the magnitude functions as completions', async () => {
      const list = await vscode.commands.executeCommand<vscode.CompletionList>(
        'vscode.executeCompletionItemProvider',
        document.uri,
        document.positionAt(offset),
      );
      const labels = list.items.map(({ label }) => (typeof label === 'string' ? label : label.label));
      return (
        names.every((name) => labels.includes(`"${name}"`)) || Promise.reject(new Error(labels.join(' ')))
      );
    });
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      document.uri,
      document.positionAt(document.getText().indexOf('"magnitude"') + 2),
    );
    const texts = hovers.flatMap(({ contents }) =>
      contents.map((content) => (typeof content === 'string' ? content : content.value)),
    );
    assert.match(texts.join('\n'), /Magnitude function/);
  });

  it('tells each mistake once', async () => {
    const { document } = await openInEditor(inWorkspace('broken.dcnet.json'));
    await until('problems', () => ours(document.uri).length >= 2);
    // VS Code's JSON service is up by now, and has the schema.
    const others = vscode.languages.getDiagnostics(document.uri).filter(({ source }) => source !== 'DCNet');
    assert.deepEqual(
      others.map(({ message }) => message),
      [],
    );
  });

  it('has a lens to train it', async () => {
    const { document } = await openInEditor(inWorkspace('broken.dcnet.json'));
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
      'vscode.executeCodeLensProvider',
      document.uri,
    );
    const train = lenses.find(({ command }) => command?.command === 'dcnet.train');
    assert.match(train?.command?.title ?? '', /Train$/);
    assert.equal(train?.range.start.line, 0);
  });
});
