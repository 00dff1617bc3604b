import * as vscode from 'vscode';
import { describeRuntime, explainRuntime } from '../core/run/runtime.js';
import type { DoctorReport } from '../protocol/engine.js';
import type { NodeProgram } from './engine/nodeProgram.js';
import { Owner } from './lifecycle.js';

const scheme = 'dcnet-doctor';
const reportUri = vscode.Uri.from({ scheme, path: '/DCNet Doctor.md' });

/** Shows what runs on this machine and what does not, as a document. */
export class Doctor extends Owner implements vscode.TextDocumentContentProvider {
  readonly #changed = this._register(new vscode.EventEmitter<vscode.Uri>());
  readonly onDidChange = this.#changed.event;
  #text = '';

  /**
   * @param examine asks an engine
   * @param findNode the Node.js that engines run in
   */
  constructor(
    private readonly examine: () => Promise<DoctorReport>,
    private readonly findNode: () => Promise<NodeProgram>,
  ) {
    super();
    this._register(vscode.workspace.registerTextDocumentContentProvider(scheme, this));
  }

  provideTextDocumentContent(): string {
    return this.#text;
  }

  async show(): Promise<void> {
    this.#text = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: 'DCNet: looking at what runs here' },
      async () => reportText(await this.examine(), await this.findNode()),
    );
    this.#changed.fire(reportUri);
    await vscode.window.showTextDocument(reportUri, { preview: true });
  }
}

function reportText(report: DoctorReport, node: NodeProgram): string {
  const runtimes = report.runtimes.map(({ name, available, version, device, imagesPerSecond, reason }) => {
    const speed = imagesPerSecond && `${Math.round(imagesPerSecond)} images/s in the trial`;
    const facts = [version, device, speed].filter((fact) => fact !== undefined).join(', ');
    return `- **${name}**: ${available ? 'works' : 'does not work'}${facts === '' ? '' : ` (${facts})`}${reason === undefined ? '' : `. ${reason}`}`;
  });
  const running =
    report.running === undefined
      ? []
      : [
          '## In use',
          '',
          describeRuntime(report.running),
          '',
          ...explainRuntime(report.running).map(bullet),
          '',
        ];
  return [
    '# DCNet Doctor',
    '',
    `DCNet ${report.dcnetVersion} on ${report.platform}`,
    `${report.cpu}, ${report.cores} cores, ${report.memoryGiB.toFixed(1)} GiB of memory`,
    `Engines run in Node.js ${node.version}: ${node.path}, ${node.origin}`,
    '',
    ...running,
    '## Tensor runtimes',
    '',
    ...runtimes,
    '',
    report.chosen === undefined
      ? 'The setting `dcnet.backend: auto` takes the fastest of them, by a trial at its next start.'
      : `The setting \`dcnet.backend: auto\` chooses **${report.chosen}**: ${report.choice}.`,
    '',
  ].join('\n');
}

function bullet(line: string): string {
  return `- ${line}`;
}
