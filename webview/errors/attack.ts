import { type AttackName, attackNames, attackTitle, defaultSteps } from '../../src/core/attack/attack.js';
import type { Attack, ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import type { AttackedImage, WorkProgress } from '../../src/protocol/engine.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import type { ChartContent, Cursor, Picture } from '../shared/chart/content.js';
import { type Mark, rect, rule, words } from '../shared/chart/marks.js';
import { button, picker } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { count, fileSafe, percent, precise, short } from '../shared/format.js';
import { ErrorBlock, ProgressBlock } from '../shared/message.js';
import { sourceOf } from './content.js';
import { figure } from './evidence.js';

/** What each attack does, and what its result may be taken for. */
const notes: Readonly<Record<AttackName, string>> = {
  fgsm: 'Fast gradient sign method: each pixel goes by ε to where the loss grows. It says nothing of stronger attacks.',
  bim: `Basic iterative method: ${defaultSteps} small steps of FGSM, each kept within ε of the image.`,
  pgd: `Projected gradient descent: ${defaultSteps} steps as BIM’s, from a random start within ε of the image. A network that withstands it may still fall to more steps and starts.`,
};

/** So many changed images are shown. */
const mostPairs = 6;

export interface ChosenAttack {
  readonly attack: AttackName;
  readonly epsilon: number;
}

export interface AttackRequests {
  attack(
    chosen: ChosenAttack,
    options: { readonly signal: AbortSignal; readonly onProgress: (progress: WorkProgress) => void },
  ): Promise<Attack>;
  attackedImages(chosen: ChosenAttack, indices: number[]): Promise<readonly AttackedImage[]>;
}

/** Perturbs every image and shows which factor the perturbation moved. */
export class AttackView {
  readonly element: HTMLElement;
  private readonly method = picker('attack', (value) => this.choose(value));
  private readonly note = html('p', { class: 'note' });
  private chosen: AttackName = 'fgsm';
  private readonly epsilon = html('input', { type: 'number', min: 0, max: 255, step: 'any', value: 8 });
  private readonly start = button(
    { label: 'Attack', description: 'Attack every test image' },
    () => void this.run(),
  );
  private readonly progress = new ProgressBlock(() => this.running?.abort());
  private readonly error = new ErrorBlock();
  private readonly sentence = html('p', { role: 'status' });
  private readonly chart: Chart;
  private readonly pairs = html('div', { class: 'pictures' });
  private readonly result: HTMLElement;
  private running: AbortController | undefined;
  private analysis: ErrorAnalysis | undefined;

  constructor(
    private readonly requests: AttackRequests,
    save: (file: FileToSave) => void,
  ) {
    this.chart = new Chart(save);
    this.result = html(
      'div',
      { class: 'attack-result', hidden: true },
      this.sentence,
      this.chart.element,
      this.pairs,
    );
    this.element = html(
      'section',
      { class: 'block' },
      html('h2', {}, 'Under attack'),
      html(
        'div',
        { class: 'toolbar' },
        this.method.element,
        html('label', { class: 'picker' }, html('span', {}, 'ε, in pixel values of 255'), this.epsilon),
        this.start.element,
      ),
      this.note,
      this.progress.element,
      this.error.element,
      this.result,
    );
    this.choose(this.chosen);
    this.epsilon.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') void this.run();
    });
  }

  /** The checkpoint to attack; what is shown of another goes. */
  update(analysis: ErrorAnalysis): void {
    if (this.analysis?.checkpointSha256 !== analysis.checkpointSha256) {
      this.running?.abort();
      this.result.hidden = true;
      this.error.hide();
    }
    this.analysis = analysis;
  }

  private choose(value: string): void {
    this.chosen = attackNames.find((name) => name === value) ?? this.chosen;
    this.method.update(
      attackNames.map((name) => ({ value: name, text: attackTitle(name) })),
      this.chosen,
    );
    setText(this.note, notes[this.chosen]);
  }

  private async run(): Promise<void> {
    const { analysis } = this;
    if (!analysis || this.running) return;
    const epsilon = Math.max(0, Math.min(255, Number(this.epsilon.value) || 0));
    this.epsilon.value = String(epsilon);
    const chosen: ChosenAttack = { attack: this.chosen, epsilon };
    const abort = new AbortController();
    this.running = abort;
    this.error.hide();
    this.start.update({ label: 'Attack', description: 'Attack every test image', disabled: true });
    try {
      const attack = await this.requests.attack(chosen, {
        signal: abort.signal,
        onProgress: ({ activity, done, total }) =>
          this.progress.show(activity, `${count(done)} of ${count(total)}`, done, total),
      });
      const fooled = analysis.labels.flatMap((label, i) =>
        analysis.predicted[i] === label && attack.predicted[i] !== label ? [i] : [],
      );
      const shown = await this.requests.attackedImages(chosen, fooled.slice(0, mostPairs));
      if (this.analysis === analysis) this.show(analysis, attack, fooled.length, shown);
    } catch (thrown) {
      if (!abort.signal.aborted) this.error.showThrown(thrown);
    } finally {
      this.running = undefined;
      this.progress.hide();
      this.start.update({ label: 'Attack', description: 'Attack every test image' });
    }
  }

  private show(
    analysis: ErrorAnalysis,
    attack: Attack,
    fooled: number,
    shown: readonly AttackedImage[],
  ): void {
    const [first] = attack.layers;
    const moved = !first
      ? ''
      : ` At ${first.name} it moved ${first.h > first.g ? 'the magnitudes' : 'the angles'} more: h by ${percent(first.h)}, g by ${percent(first.g)}.`;
    setText(
      this.sentence,
      `Accuracy falls from ${percent(attack.accuracy)} to ${percent(attack.accuracyUnderAttack)} under ${attackTitle(attack.attack)} at ε = ${short(attack.epsilon)}: ${count(fooled)} images that were right are wrong now.${moved}`,
    );
    this.chart.update(attackContent(analysis, attack));
    this.pairs.replaceChildren(
      ...shown.flatMap(({ before, after }) => {
        const name = (label: number): string => analysis.classNames[label]!;
        const [was, is] = [name(analysis.predicted[before.index]!), name(attack.predicted[before.index]!)];
        return [
          html(
            'div',
            { class: 'pair' },
            figure(before, `test image ${before.index} before the attack`, was, false),
            figure(after, `test image ${before.index} under attack`, `→ ${is}`, false),
          ),
        ];
      }),
    );
    this.result.hidden = false;
  }
}

function attackContent(analysis: ErrorAnalysis, attack: Attack): ChartContent {
  const { layers, epsilon } = attack;
  const method = attackTitle(attack.attack);
  return {
    title: `Which factor ${method} moved, ε = ${short(epsilon)}`,
    summary: `${layers.map(({ name, h, g }) => `${name}: h ${percent(h)}, g ${percent(g)}`).join('; ')}. Arrow keys read the layers.`,
    legend: [
      { sign: 'area', hue: 'norm', text: '‖h′ − h‖ ÷ ‖h‖, mean over images' },
      { sign: 'area', hue: 'angle', text: '‖g′ − g‖ ÷ ‖g‖' },
    ],
    tables: () => [
      {
        caption: 'Relative change under attack, mean over images',
        columns: [{ label: 'layer' }, { label: 'h', hue: 'norm' }, { label: 'g', hue: 'angle' }],
        rows: layers.map(({ name, h, g }) => [
          { text: name, value: name },
          { text: percent(h), value: h },
          { text: percent(g), value: g },
        ]),
      },
    ],
    source: `${sourceOf(analysis)} · ${method}, ε = ${short(epsilon)}/255`,
    fileName: fileSafe(`${analysis.run ?? analysis.data}-${attack.attack}-${epsilon}`),
    draw: (width) => drawAttack(layers, width),
  };
}

const rowHeight = 36;

function drawAttack(layers: Attack['layers'], width: number): Picture {
  const [left, right, top] = [76, width - 50, 4];
  const scale = axisScale([0, Math.max(1e-6, ...layers.flatMap(({ h, g }) => [h, g]))], [left, right]);
  const bottom = top + layers.length * rowHeight;
  const marks: Mark[] = [
    ...layers.flatMap(({ name, h, g }, row) => {
      const y = top + row * rowHeight;
      const bar = (hue: 'norm' | 'angle', value: number, from: number): Mark[] => [
        rect(`${hue}-${name}`, `area ${hue}`, {
          x: left,
          y: y + from,
          width: scale(value) - left,
          height: 12,
        }),
        words(`${hue}-value-${name}`, 'label', [scale(value) + 5, y + from + 10], percent(value)),
      ];
      return [
        words(`name-${name}`, 'value', [left - 10, y + rowHeight / 2 + 4], name, { anchor: 'end' }),
        ...bar('norm', h, 5),
        ...bar('angle', g, 19),
      ];
    }),
    rule('base', 'frame-line', [left, top], [left, bottom]),
    ...axis({
      key: 'change',
      at: 'bottom',
      edge: bottom,
      scale,
      ticks: 4,
      format: (value) => `${short(value * 100)} %`,
    }),
  ];
  const cursor: Cursor = {
    columns: 1,
    rows: layers.length,
    start: [0, layers.length - 1],
    locate: (_, at) => {
      const row = Math.floor((at - top) / rowHeight);
      return row >= 0 && row < layers.length ? [0, layers.length - 1 - row] : undefined;
    },
    stop: (_, fromBottom) => {
      const row = layers.length - 1 - fromBottom;
      const { name, h, g } = layers[row]!;
      return {
        at: [scale(Math.max(h, g)), top + (row + 0.5) * rowHeight],
        marks: [
          rect('cursor-row', 'target', {
            x: left,
            y: top + row * rowHeight + 2,
            width: right - left,
            height: rowHeight - 4,
          }),
        ],
        readings: [
          { label: 'layer', value: name },
          { label: 'change of h', value: `${precise(h * 100)} %`, hue: 'norm' },
          { label: 'change of g', value: `${precise(g * 100)} %`, hue: 'angle' },
        ],
      };
    },
  };
  return { width, height: bottom + 24, marks, cursor: layers.length > 0 ? cursor : undefined };
}
