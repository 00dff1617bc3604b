import * as vscode from 'vscode';
import type { DoctorReport } from '../protocol/engine.js';
import { Owner } from './lifecycle.js';

const scheme = 'dcnet-doctor';
const reportUri = vscode.Uri.from({ scheme, path: '/DCNet Doctor.md' });

/** Shows what runs on this machine and what does not, as a document. */
export class Doctor extends Owner implements vscode.TextDocumentContentProvider {
  readonly #changed = this._register(new vscode.EventEmitter<vscode.Uri>());
  readonly onDidChange = this.#changed.event;
  #text = '';

  constructor(private readonly examine: () => Promise<DoctorReport>) {
    super();
    this._register(vscode.workspace.registerTextDocumentContentProvider(scheme, this));
  }

  provideTextDocumentContent(): string {
    return this.#text;
  }

  async show(): Promise<void> {
    this.#text = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: 'DCNet: looking at what runs here' },
      async () => reportText(await this.examine()),
    );
    this.#changed.fire(reportUri);
    await vscode.window.showTextDocument(reportUri, { preview: true });
  }
}

function reportText(report: DoctorReport): string {
  const runtimes = report.runtimes.map(({ name, available, version, device, imagesPerSecond, reason }) => {
    const speed = imagesPerSecond && `${Math.round(imagesPerSecond)} images/s in the trial`;
    const facts = [version, device, speed].filter((fact) => fact !== undefined).join(', ');
    return `- **${name}**: ${available ? 'works' : 'does not work'}${facts === '' ? '' : ` (${facts})`}${reason === undefined ? '' : `. ${reason}`}`;
  });
  return [
    '# DCNet Doctor',
    '',
    `DCNet ${report.dcnetVersion} on Node ${report.node}, ${report.platform}`,
    `${report.cpu}, ${report.cores} cores, ${report.memoryGiB.toFixed(1)} GiB of memory`,
    '',
    '## Tensor runtimes',
    '',
    ...runtimes,
    '',
    report.chosen === undefined
      ? 'The setting `dcnet.backend: auto` takes the fastest of them, by a trial at its next start.'
      : `The setting \`dcnet.backend: auto\` chooses **${report.chosen}**.`,
    '',
  ].join('\n');
}
