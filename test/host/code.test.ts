import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as vscode from 'vscode';
import { inspectionSchema } from '../../src/core/statistics/inspection.js';
import { reportSchema } from '../../src/protocol/report.js';
import { type RobustnessReport, robustnessReportSchema } from '../../src/protocol/robustness.js';
import { writeBars } from './support/bars.js';
import { writeConfig } from './support/configs.js';
import { extension, inWorkspace, openInEditor } from './support/extension.js';
import { newRun, readSummary, runsDirectory, untilStatus } from './support/runs.js';
import { until } from './support/until.js';
import { eachBuildsOnTheLast, Workbench } from './support/workbench.js';

async function hints(document: vscode.TextDocument): Promise<readonly vscode.InlayHint[]> {
  const all = new vscode.Range(0, 0, document.lineCount, 0);
  const found = await vscode.commands.executeCommand<vscode.InlayHint[]>(
    'vscode.executeInlayHintProvider',
    document.uri,
    all,
  );
  return found.sort((a, b) => a.position.line - b.position.line);
}

const labels = (found: readonly vscode.InlayHint[]): string[] => found.map(({ label }) => `${label}`);

async function layerLenses(uri: vscode.Uri): Promise<readonly vscode.CodeLens[]> {
  const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
    'vscode.executeCodeLensProvider',
    uri,
  );
  return lenses.filter(({ range }) => range.start.line > 0);
}

async function hoverText(document: vscode.TextDocument, at: string, inside = 1): Promise<string> {
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
    'vscode.executeHoverProvider',
    document.uri,
    document.positionAt(document.getText().indexOf(at) + inside),
  );
  return hovers
    .flatMap(({ contents }) =>
      contents.map((content) => (typeof content === 'string' ? content : content.value)),
    )
    .join('\n');
}

/** The pictures in a hover, as their text. */
function picturesIn(markdown: string): readonly string[] {
  return [...markdown.matchAll(/!\[[^\]]+\]\(data:image\/svg\+xml;base64,([^)]+)\)/g)].map(([, data]) =>
    Buffer.from(data!, 'base64').toString('utf8'),
  );
}

describe('Next to the code', () => {
  eachBuildsOnTheLast();
  let config: vscode.Uri;
  let run = '';

  before(() => {
    writeBars(inWorkspace('bars'));
    config = writeConfig('explained');
  });

  it('says behind each layer what it is', async () => {
    const { document } = await openInEditor(config.fsPath);
    const found = await until('five hints', async () => {
      const found = await hints(document);
      return found.length === 5 && found;
    });
    // 12×12 grey values: 3·3·1·4 weights, 4 ρ, 4 γ and 4 β · 3·3·4·6 weights, 6 γ and 6 β · 6·6·6 features, 4 classes
    assert.deepEqual(labels(found), [
      'TanhConv · cosine → 12×12×4 · 48 parameters',
      '→ 6×6×4',
      'LinearConv · cosine → 6×6×6 · 228 parameters',
      '→ 216',
      '→ 4 · 864 parameters',
    ]);
    const first = document.positionAt(document.getText().indexOf('"filters": 4')).line;
    assert.deepEqual(found[0]!.position, document.lineAt(first).range.end);
  });

  it('has no lens above a layer of which nothing is measured', async () => {
    assert.deepEqual(await layerLenses(config), []);
  });

  it('explains an operator with its curve before anything is measured', async () => {
    const { document } = await openInEditor(config.fsPath);
    const text = await hoverText(document, '"type": "conv"', 9);
    assert.match(text, /\*\*TanhConv · cosine\*\* conv1/);
    assert.match(text, /h = α·tanh\(‖x‖\/R\) \(bounded by α; α = 1\)/);
    assert.match(text, /until a run is measured/);
    assert.equal(picturesIn(text).length, 1);
    assert.match(await hoverText(document, '"operator": { "magnitude": "tanh"'), /does not say otherwise/);
    assert.doesNotMatch(await hoverText(document, '"max-pool"'), /decoupled|h = /);
  });

  it('counts as many parameters as the engine trains', async () => {
    run = await newRun(() => vscode.commands.executeCommand('dcnet.train', config));
    await untilStatus(run, 'completed');
    assert.equal(readSummary(run).parameters, 48 + 228 + 864);
  });

  it('says above each layer what was measured of it', async function () {
    const { document } = await openInEditor(config.fsPath);
    const lenses = await until('lenses above three layers', async () => {
      const found = await layerLenses(config);
      return found.length === 3 && found;
    });
    const file = path.join(runsDirectory(), run, 'inspections', 'epoch-0003.test.json');
    assert.ok(existsSync(file));
    const { accuracy, layers } = inspectionSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    const titles = lenses.map(({ command }) => command!.title);
    const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
    for (const { share } of layers[0]!.regimes!) assert.ok(titles[0]!.includes(percent(share)), titles[0]);
    assert.match(titles[1]!, /median ‖x‖ [\d.]+, median θ [\d.]+°/);
    assert.ok(titles[2]!.endsWith(`${percent(accuracy)} of 100 test images right`), titles[2]);
    assert.match(lenses[0]!.command!.tooltip!, new RegExp(`conv1: ${run}, epoch-0003, test split, n = 100$`));
    const lines = ['"filters": 4', '"filters": 6', '"units"'].map(
      (text) => document.positionAt(document.getText().indexOf(text)).line,
    );
    assert.deepEqual(
      lenses.map(({ range }) => range.start.line),
      lines,
    );
    if (process.env.DCNET_TEST_CDP !== undefined) await (await Workbench.of(this)).screenshot('layer-lenses');
  });

  it('explains an operator over its data once it is measured', async function () {
    const { document } = await openInEditor(config.fsPath);
    const text = await hoverText(document, '"type": "conv"', 9);
    assert.match(text, /R = ρ·E‖x‖ = [\d.]+, the mean of 4 filters: [\d.]+ % below the radius/);
    assert.match(
      text.replaceAll('\\', '').replaceAll('&nbsp;', ' '),
      new RegExp(`in ${run}, epoch-0003, test split, n = 100`),
    );
    assert.match(text, /variance ‖x‖ alone carries [\d.]+ %, θ alone [\d.]+ %/);
    assert.match(text, /\[Inspect\]\(command:dcnet\.inspectLayers\?/);
    const [picture] = picturesIn(text);
    assert.equal(picture?.match(/fill-opacity/g)?.length, 2); // both densities
    const plain = await hoverText(document, '"type": "dense"', 9);
    assert.match(
      plain,
      /\*\*inner product\*\* dense1[\s\S]+h = ‖w‖‖x‖ \(unbounded; drawn for the mean ‖w‖ = [\d.]+\)/,
    );
    if (process.env.DCNET_TEST_CDP === undefined) return;
    const editor = await openInEditor(config.fsPath);
    const at = document.positionAt(document.getText().indexOf('"type": "conv"') + 9);
    editor.selection = new vscode.Selection(at, at);
    const workbench = await Workbench.of(this);
    await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
    await vscode.commands.executeCommand('editor.action.showHover');
    const image = workbench.page.locator('.monaco-hover img[src^="data:image/svg"]').first();
    await image.waitFor();
    assert.ok(await image.evaluate((element) => (element as HTMLImageElement).naturalWidth > 300));
    await workbench.screenshot('operator-hover');
    await workbench.page.keyboard.press('Escape');
  });

  it('opens the panel at the layer whose lens is clicked, also where it is pinned', async function () {
    const workbench = await Workbench.of(this);
    const panel = await panelAt(workbench, 'conv2', await layerLenses(config), 1);
    await panel.locator('vscode-button', { hasText: 'Follows the cursor' }).click();
    await panelAt(workbench, 'dense1', await layerLenses(config), 2);
    await panel.locator('vscode-button', { hasText: 'Pinned' }).click();
    await panelAt(workbench, 'conv1', await layerLenses(config), 0);
  });

  it('lets the cursor lead in the run’s own config only', async function () {
    const panel = await (await Workbench.of(this)).panel('layer');
    const selected = panel.locator('[role="option"][aria-selected="true"]');
    const put = async (file: string, text: string): Promise<void> => {
      const editor = await openInEditor(file);
      const at = editor.document.positionAt(editor.document.getText().indexOf(text));
      editor.selection = new vscode.Selection(at, at);
    };
    await put(config.fsPath, '"filters": 6');
    await until('conv2 is selected', async () => (await selected.innerText()).includes('conv2'));
    await put(inWorkspace('small.dcnet.json'), '"filters": 4');
    await put(config.fsPath, '"units"');
    await until('dense1 is selected', async () => (await selected.innerText()).includes('dense1'));
    await put(inWorkspace('small.dcnet.json'), '"filters": 4');
    await setTimeout(500); // a cursor is followed after 150 ms
    assert.match(await selected.innerText(), /dense1/);
  });

  it('has no lens where the checkpoint is not the one that was measured', async () => {
    const file = path.join(runsDirectory(), run, 'inspections', 'epoch-0003.test.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/"checkpointSha256":"./, '"checkpointSha256":"x'));
    assert.deepEqual(await layerLenses(config), []);
    writeFileSync(file, text);
    await until('lenses above three layers', async () => (await layerLenses(config)).length === 3);
  });

  it('tells the operators where the data is not there', async () => {
    const lost = writeConfig('lost', ['"bars"', '"nowhere"']);
    const { document } = await openInEditor(lost.fsPath);
    await until('two hints', async () => (await hints(document)).length === 2);
    assert.deepEqual(labels(await hints(document)), ['TanhConv · cosine', 'LinearConv · cosine']);
  });

  it('says that a layer was another when it was measured', async () => {
    const { document } = await openInEditor(config.fsPath);
    const edit = new vscode.WorkspaceEdit();
    const place = document.positionAt(document.getText().indexOf('"tanh"'));
    edit.replace(config, new vscode.Range(place, place.translate(0, 6)), '"ball"');
    await vscode.workspace.applyEdit(edit);
    const titles = (await layerLenses(config)).map(({ command }) => command!.title);
    assert.match(titles[0]!, /before your change$/);
    assert.doesNotMatch(titles[2]!, /change/);
    assert.match(labels(await hints(document))[0]!, /^BallConv/);
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('takes the lenses away where they are not wanted', async () => {
    const settings = vscode.workspace.getConfiguration('dcnet');
    await settings.update('layerLenses', false, vscode.ConfigurationTarget.Workspace);
    try {
      await until('no lens above a layer', async () => (await layerLenses(config)).length === 0);
    } finally {
      await settings.update('layerLenses', undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  for (const [name, content] of [
    ['operators.py', 'layer = TanhConv2d(16, 32)  # g is square_cosine\n'],
    ['operators.ts', 'const layer = new TanhConv(16); // g: squareCosine\n'],
    ['operators.js', 'const layer = TanhConv; // SquareCosine\n'],
    ['operators.md', 'A `TanhConv` with square cosine.\n'],
  ] as const)
    it(`explains the operators’ names in ${name}`, async () => {
      const file = inWorkspace(name);
      writeFileSync(file, content);
      const { document } = await openInEditor(file);
      // A document that was just opened may be unknown to whoever is asked.
      const hover = (at: string): Promise<string> =>
        until(`the hover of ${at}`, async () => (await hoverText(document, at, 2)) || undefined);
      const text = await hover('TanhConv');
      assert.match(text, /h = α·tanh\(‖x‖\/R\) \(bounded by α; here α = 1, R = 1\)/);
      assert.match(text, /section 3\.3/);
      assert.equal(picturesIn(text).length, 1);
      const activation = /square[-_ ]?cosine/i.exec(content)![0];
      assert.match(await hover(activation), /g = sign\(cos θ\)·cos²θ/);
      await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
      rmSync(file);
    });

  it('mends a config by its quick fixes', async () => {
    const slips = writeConfig(
      'slips',
      ['"units": 4', '"units": 3'],
      ['"filters": 4', '"filters": "4"'],
      ['    { "type": "flatten" },\n', ''],
    );
    const { document } = await openInEditor(slips.fsPath);
    for (const title of ['Change to 4', 'Put flatten before it', 'Set "units" to 4']) {
      const fix = await until(title, async () => {
        const all = new vscode.Range(0, 0, document.lineCount, 0);
        const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
          'vscode.executeCodeActionProvider',
          slips,
          all,
          vscode.CodeActionKind.QuickFix.value,
        );
        return actions.find((action) => action.title === title && action.edit !== undefined);
      });
      await vscode.workspace.applyEdit(fix.edit!);
    }
    assert.equal(document.getText(), readFileSync(inWorkspace('small.dcnet.json'), 'utf8'));
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('ejects a preset by the lightbulb and by the command, and tells what it comes to', async () => {
    const list = /"layers": \[[^\]]*\]/.exec(readFileSync(inWorkspace('small.dcnet.json'), 'utf8'))![0];
    const preset = writeConfig('preset', [
      list,
      '"layers": { "preset": "resnet-32", "widths": [2, 3, 4], "units": [1, 1, 1] }',
    ]);
    const { document } = await openInEditor(preset.fsPath);
    const line = document.getText().slice(0, document.getText().indexOf('"preset"')).split('\n').length - 1;
    const at = new vscode.Range(line, 12, line, 12);
    const action = await until('the lightbulb', async () => {
      const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        preset,
        at,
      );
      return actions.find(({ title }) => title === 'Eject resnet-32: put its 12 layers in its place');
    });
    assert.ok(action.edit);
    const hints = await vscode.commands.executeCommand<vscode.InlayHint[]>(
      'vscode.executeInlayHintProvider',
      preset,
      new vscode.Range(0, 0, document.lineCount, 0),
    );
    assert.match(
      hints.map(({ label }) => String(label)).join(),
      /^12 layers · [\d,]+ parameters · [\d,]+ multiply-adds an image$/,
    );
    await vscode.commands.executeCommand('dcnet.ejectPreset', preset);
    assert.match(
      document.getText(),
      /"layers": \[\n {4}\{ "type": "conv", "name": "stem", "filters": 2, "activation": "none" \},\n/,
    );
    assert.match(
      document.getText(),
      /"type": "add", "name": "unit3-1", "from": "unit2-1", "projection": true/,
    );
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('exports the whole inspection as one file', async function () {
    const file = inWorkspace('report.html');
    const target = { runDirectory: path.join(runsDirectory(), run), saveAs: file };
    await vscode.commands.executeCommand('dcnet.exportReport', target);
    const page = readFileSync(file, 'utf8');
    const data = /<script type="application\/json" id="report">(.*?)<\/script>/.exec(page)?.[1] ?? '';
    const { inspection, parameters } = reportSchema.parse(JSON.parse(data));
    assert.equal(inspection.run, run);
    assert.deepEqual(
      parameters.map(({ count }) => count),
      [48, 228, 864],
    );
    if (process.env.DCNET_TEST_CDP === undefined) return;
    const notification = await (await Workbench.of(this)).notification('The report is written: report.html');
    await notification.getByText('Open in Browser').waitFor();
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('writes what attacks do to a checkpoint as one file', async () => {
    const file = inWorkspace('robustness.html');
    const target = { runDirectory: path.join(runsDirectory(), run), saveAs: file };
    await vscode.commands.executeCommand('dcnet.robustnessReport', target);
    const { measurement, checks } = readRobustness(file);
    assert.equal(measurement.run, run);
    assert.deepEqual(
      measurement.curves.map(({ attack }) => attack),
      ['fgsm', 'bim', 'pgd'],
    );
    assert.equal(checks.find(({ name }) => name === 'attacks')?.status, 'passed');
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('attacks as one chooses, by keys alone', async function () {
    const workbench = await Workbench.of(this);
    const { keyboard } = workbench.page;
    const widget = workbench.page.locator('.quick-input-widget:visible');
    const row = (text: string) => widget.locator('.monaco-list-row', { hasText: text }).first();
    const choose = async (text: string): Promise<void> => {
      await row(text).waitFor();
      await widget.locator('input.input').fill(text);
      await until(`${text} is the one that Enter takes`, async () =>
        (await widget.locator('.monaco-list-row.focused').innerText()).includes(text),
      );
      await keyboard.press('Enter');
    };
    const write = async (prompt: string, text: string): Promise<void> => {
      await widget.getByText(prompt).waitFor();
      await widget.locator('input.input').fill(text);
      await keyboard.press('Enter');
    };
    const reported = vscode.commands.executeCommand('dcnet.robustnessReport', {
      runDirectory: path.join(runsDirectory(), run),
    });
    await choose('Norm');
    await choose('ℓ2');
    await choose('ε');
    await write('with commas', '400, 0');
    await choose('Goal');
    await choose('towards one class…');
    await choose('right');
    await choose('Restarts');
    await write('Random starts of PGD', '2');
    await choose('Images');
    await write('test images', '0');
    await write('It must be a whole number above 0.', '30');
    await choose('Step size');
    await widget.getByText('Step of BIM and PGD').waitFor();
    await keyboard.press('Escape'); // back to the list, with what was chosen
    await choose('Transfer');
    await choose('from another checkpoint…');
    await choose('epoch-0001');
    await row('Start').waitFor();
    const shown = await widget.locator('.monaco-list-row').allInnerTexts();
    for (const text of ['ℓ2', '0, 400', 'towards the class right', '2, of PGD', 'the first 30', 'epoch-0001'])
      assert.ok(
        shown.some((line) => line.includes(text)),
        `${text} in ${JSON.stringify(shown)}`,
      );
    await workbench.screenshot('robustness-choice');
    await keyboard.press('Enter'); // the first entry starts
    const file = await workbench.saveAsSuggested();
    await reported;
    const { measurement } = readRobustness(file);
    assert.deepEqual(
      [measurement.norm, measurement.epsilons, measurement.restarts, measurement.stepSize],
      ['l2', [0, 400], 2, undefined],
    );
    assert.deepEqual(measurement.targeted, { class: 1, name: 'right', leftOut: 8 });
    assert.match(measurement.source?.checkpoint ?? '', /epoch-0001/);
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('has a walkthrough whose every button and picture is there', async () => {
    const { contributes } = extension().packageJSON as {
      contributes: { walkthroughs: { steps: Step[] }[]; commands: { command: string }[] };
    };
    const commands = new Set(contributes.commands.map(({ command }) => command));
    const steps = contributes.walkthroughs.flatMap((walkthrough) => walkthrough.steps);
    assert.equal(steps.length, 5);
    for (const { description, media, completionEvents } of steps) {
      const buttons = [...description.matchAll(/\(command:([\w.]+)\)/g)].map(([, command]) => command!);
      assert.ok(buttons.length > 0, description);
      for (const command of buttons) assert.ok(commands.has(command), command);
      assert.deepEqual(completionEvents, [`onCommand:${buttons[0]}`]);
      const file = media.svg ?? media.image;
      assert.ok(file && existsSync(path.join(extension().extensionPath, file)), file);
      assert.ok(media.altText.length > 40, media.altText);
    }
  });
});

function readRobustness(file: string): RobustnessReport {
  const page = readFileSync(file, 'utf8');
  const data = /<script type="application\/json" id="report">(.*?)<\/script>/.exec(page)?.[1] ?? '';
  return robustnessReportSchema.parse(JSON.parse(data));
}

interface Step {
  readonly description: string;
  readonly media: { readonly svg?: string; readonly image?: string; readonly altText: string };
  readonly completionEvents: readonly string[];
}

async function panelAt(
  workbench: Workbench,
  layer: string,
  lenses: readonly vscode.CodeLens[],
  index: number,
): ReturnType<Workbench['panel']> {
  const { command, arguments: args = [] } = lenses[index]!.command!;
  await vscode.commands.executeCommand(command, ...args);
  const panel = await workbench.panel('layer');
  const selected = panel.locator('[role="option"][aria-selected="true"]');
  await until(`${layer} is selected`, async () => (await selected.innerText()).includes(layer));
  return panel;
}
