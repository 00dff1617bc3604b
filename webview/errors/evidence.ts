import type { ErrorAnalysis, Evidence } from '../../src/core/verdict/analysis.js';
import { verdictDefinition } from '../../src/core/verdict/verdict.js';
import type { ErrorEvidence } from '../../src/protocol/engine.js';
import type { DataImage } from '../../src/protocol/images.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { percent, short } from '../shared/format.js';
import { block } from '../shared/frame.js';
import { imageElement } from '../shared/pixels.js';
import { normsContent } from './norms.js';
import { rescoredContent } from './rescored.js';
import { scoresContent } from './scores.js';
import type { ListedError } from './selection.js';
import { verdictSign } from './sign.js';
import { traceContent } from './trace.js';

/** One error and everything behind its verdict. */
export class EvidenceView {
  readonly element: HTMLElement;
  private readonly title = html('h2');
  private readonly sign = verdictSign();
  private readonly sentence = html('p', { class: 'verdict-sentence' });
  private readonly pictures = html('div', { class: 'pictures' });
  private readonly facts = html('dl', { class: 'facts' });
  private readonly neighbours = html('div', { class: 'pictures' });
  private readonly definition: HTMLElement;
  private readonly whatLook = (shown: boolean) =>
    ({ label: 'What do verdicts mean?', icon: 'question', appearance: 'icon', pressed: shown }) as const;
  private readonly what = button(this.whatLook(false), () => {
    this.definition.hidden = !this.definition.hidden;
    this.what.update(this.whatLook(!this.definition.hidden));
  });
  private readonly charts: Readonly<Record<'rescored' | 'scores' | 'trace' | 'norms', Chart>>;

  constructor(save: (file: FileToSave) => void) {
    this.definition = html(
      'div',
      { class: 'definition', hidden: true },
      ...verdictDefinition.map((paragraph) => html('p', {}, paragraph)),
    );
    const chart = (): Chart => new Chart(save);
    this.charts = { rescored: chart(), scores: chart(), trace: chart(), norms: chart() };
    this.element = html(
      'section',
      { class: 'one-error', 'aria-label': 'The chosen image', hidden: true },
      html('div', { class: 'one-head' }, this.title, this.sign.element, this.what.element),
      this.definition,
      html(
        'div',
        { class: 'one-summary' },
        this.pictures,
        html('div', { class: 'one-words' }, this.sentence, this.facts),
      ),
      html(
        'div',
        { class: 'one-charts' },
        this.charts.rescored.element,
        this.charts.scores.element,
        this.charts.trace.element,
        html(
          'div',
          { class: 'column' },
          this.charts.norms.element,
          block('Nearest training images', this.neighbours),
        ),
      ),
    );
  }

  /** @param analysis of the checkpoint that makes the error */
  update(
    analysis: ErrorAnalysis,
    error: ListedError,
    { evidence, image, donor, neighbours }: ErrorEvidence,
  ): void {
    const { classNames } = analysis;
    const [is, taken] = [classNames[error.label]!, classNames[error.predicted]!];
    setText(this.title, `Test image ${error.index}: ${is}, taken for ${taken}`);
    this.sign.update(error.verdict);
    setText(this.sentence, explain(analysis, error, evidence));
    this.pictures.replaceChildren(
      figure(image, `test image ${image.index}, ${is}`, 'the image', true),
      ...(donor && evidence.donor
        ? [
            figure(
              donor,
              `training image ${donor.index}, ${is}`,
              `donor: ${is}, ${short(evidence.donor.degrees)}° away`,
              true,
            ),
          ]
        : []),
    );
    this.facts.replaceChildren(
      ...factsOf(analysis, error, evidence).map(([name, value, hue]) =>
        html('div', {}, html('dt', { class: hue }, name), html('dd', {}, value)),
      ),
    );
    this.neighbours.replaceChildren(
      ...neighbours.map((picture, i) => {
        const { label, degrees } = evidence.neighbours[i]!;
        const name = classNames[label]!;
        return figure(
          picture,
          `training image ${picture.index}, ${name}`,
          `${name}, ${short(degrees)}°`,
          false,
        );
      }),
    );
    this.charts.rescored.update(rescoredContent(analysis, evidence));
    this.charts.scores.update(scoresContent(analysis, evidence));
    this.charts.trace.update(traceContent(analysis, evidence));
    this.charts.norms.update(normsContent(analysis, error));
  }
}

/** A picture of the data with words under it. */
export function figure(image: DataImage, name: string, caption: string, large: boolean): HTMLElement {
  return html(
    'figure',
    { class: large ? 'picture large' : 'picture' },
    imageElement(image, name),
    html('figcaption', {}, caption),
  );
}

/** The verdict in a sentence. */
function explain(
  { classNames, layers }: ErrorAnalysis,
  { verdict, layer, label }: ListedError,
  { layers: rescored, donor }: Evidence,
): string {
  const is = classNames[label]!;
  if (donor === undefined)
    return `No training image of ${is} is classified rightly, so there is no donor to re-score it with.`;
  if (layer !== undefined && layer === layers.at(-1))
    return `No deciding layer turns it, but by the cosines of ${layer} alone it is ${is}: the norms of that layer’s filters are to blame.`;
  const at = rescored.find(({ name }) => name === layer);
  if (at === undefined)
    return `Neither the donor’s magnitudes nor its angles, each alone, make it ${is} at a layer that decides.`;
  const other = (one: typeof at.norm): string => classNames[one!.predicted]!;
  switch (verdict) {
    case 'norm':
      return `With the donor’s magnitudes at ${layer} it is ${is}; with the donor’s angles it is ${other(at.angle)}.`;
    case 'angle':
      return `With the donor’s angles at ${layer} it is ${is}; with the donor’s magnitudes it is ${other(at.norm)}.`;
    default:
      return `Either of the donor’s factors at ${layer} makes it ${is}, the magnitudes as well as the angles.`;
  }
}

type Fact = readonly [name: string, value: string, hue?: 'norm' | 'angle'];

function factsOf(analysis: ErrorAnalysis, error: ListedError, { cosines }: Evidence): readonly Fact[] {
  const { classNames } = analysis;
  const nearest = cosines.indexOf(Math.max(...cosines));
  const is = classNames[error.label]!;
  return [
    [
      'angular margin',
      `${short(error.marginDegrees)}° nearer to ${classNames[error.predicted]} than to ${is}`,
      'angle',
    ],
    [
      'by cosines alone',
      `${classNames[nearest]}${nearest === error.predicted ? ', as by logits' : ''}`,
      'angle',
    ],
    [
      'feature norm',
      error.normPercentile === undefined
        ? short(error.featureNorm)
        : `${short(error.featureNorm)}, no less than ${percent(error.normPercentile)} of ${is}, rightly classified`,
      'norm',
    ],
    [
      'angular visual hardness',
      `${short(error.hardness)} (1 ÷ classes is ${short(1 / classNames.length)})`,
      'angle',
    ],
  ];
}
