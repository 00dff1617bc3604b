import type { Inspection, LayerInspection, Selection } from '../../src/core/statistics/inspection.js';
import type { ImageMaps, SampleImages } from '../../src/protocol/engine.js';
import { Chart, type FileToSave } from '../shared/chart/chart.js';
import { button } from '../shared/controls.js';
import { html, setText } from '../shared/dom.js';
import { count } from '../shared/format.js';
import { block } from '../shared/frame.js';
import { Listbox } from '../shared/listbox.js';
import { imageElement } from '../shared/pixels.js';
import { mapsContent } from './maps.js';

export interface ImageActions {
  sampleImages(request: {
    readonly selection: Selection;
    readonly from: number;
    readonly count: number;
  }): Promise<SampleImages>;
  imageMaps(request: {
    readonly index: number;
    readonly layer: string;
    readonly filter: number;
  }): Promise<ImageMaps>;
  saveFile(file: FileToSave): void;
  failed(thrown: unknown): void;
  /** Keep it for a restored panel. */
  imageChosen(index: number): void;
}

type Sample = SampleImages['images'][number];

/** Images in the strip at a time. */
const page = 24;

/** Where over an image a filter finds something strong, where it matches, and what comes of it. */
export class ImageBlock {
  readonly element: HTMLElement;
  private readonly ask = button({ label: 'Show images' }, () => this.want());
  private readonly teach: HTMLElement;
  private readonly strip: Listbox<Sample>;
  private readonly tools: HTMLElement;
  private readonly where = html('span', { class: 'note' });
  private readonly index = html('input', { type: 'number', min: 0, step: 1, 'aria-label': 'Image number' });
  private readonly before = button({ label: 'Earlier images' }, () => void this.turn(-page));
  private readonly after = button({ label: 'Later images' }, () => void this.turn(page));
  private readonly chart: Chart;
  private inspection: Inspection | undefined;
  private layer: LayerInspection | undefined;
  private filter = 0;
  private wanted = false;
  private from = 0;
  private samples: SampleImages = { count: 0, images: [] };
  private chosen: number | undefined;
  private asked = '';
  private askedMaps = '';

  /** @param remembered the image that a restored panel showed */
  constructor(private readonly actions: ImageActions) {
    this.strip = new Listbox<Sample>({
      label: 'Images',
      keyOf: ({ index }) => String(index),
      createRow: () => {
        const element = html('div', { class: 'thumbnail' });
        let shown = '';
        return {
          element,
          update: (sample) => {
            const words = this.describe(sample);
            if (shown !== sample.pixels) element.replaceChildren(imageElement(sample, words));
            shown = sample.pixels;
            element.classList.toggle('wrong', sample.label !== sample.predicted);
            return '';
          },
        };
      },
      choose: (key) => this.choose(Number(key)),
    });
    this.chart = new Chart((file) => actions.saveFile(file));
    this.teach = html(
      'div',
      { class: 'teach' },
      html(
        'p',
        { class: 'note' },
        'Over one image, maps show where it is strong (‖x‖), where it matches a filter (θ), and what comes of both.',
      ),
      this.ask.element,
    );
    this.tools = html(
      'div',
      { class: 'strip-tools' },
      this.before.element,
      this.after.element,
      this.where,
      html('label', { class: 'picker' }, html('span', {}, 'image'), this.index),
    );
    this.element = block(
      'On an image',
      this.teach,
      this.tools,
      html('div', { class: 'strip' }, this.strip.element),
      this.chart.element,
    );
    this.element.classList.add('wide');
    this.index.addEventListener('change', () => this.choose(Number(this.index.value)));
    this.draw();
  }

  /** Take up the image that an earlier document showed. */
  restore(image: number | undefined): void {
    if (image === undefined) return;
    this.chosen = image;
    this.wanted = true;
  }

  update(inspection: Inspection, layer: LayerInspection, filter: number | undefined): void {
    this.inspection = inspection;
    this.layer = layer;
    this.filter = filter ?? 0;
    this.draw();
    if (this.wanted) this.load();
  }

  private want(): void {
    this.wanted = true;
    this.draw();
    this.load();
  }

  private load(): void {
    const { inspection, layer } = this;
    if (!inspection || !layer) return;
    const key = JSON.stringify([inspection.checkpoint, inspection.selection]);
    if (key !== this.asked) {
      this.asked = key;
      this.from = 0;
      void this.turn(0);
    } else void this.loadMaps();
  }

  private async turn(by: number): Promise<void> {
    const from = Math.max(0, this.from + by);
    try {
      const selection = this.inspection?.selection ?? {};
      this.samples = await this.actions.sampleImages({ selection, from, count: page });
      this.from = from;
      const first = this.samples.images[0]?.index;
      if (this.chosen === undefined && first !== undefined) this.choose(first);
      this.draw();
      await this.loadMaps();
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  private choose(index: number): void {
    if (!Number.isInteger(index) || index < 0) return;
    this.chosen = index;
    this.actions.imageChosen(index);
    this.draw();
    void this.loadMaps();
  }

  private async loadMaps(): Promise<void> {
    const { inspection, layer, chosen, filter } = this;
    if (!inspection || !layer || chosen === undefined) return;
    const request = { index: chosen, layer: layer.name, filter };
    const key = JSON.stringify([inspection.checkpoint, request]);
    if (key === this.askedMaps) return;
    this.askedMaps = key;
    try {
      const maps = await this.actions.imageMaps(request);
      if (key !== this.askedMaps) return;
      this.chart.update(mapsContent(inspection, layer, filter, maps));
      this.chart.element.hidden = false;
    } catch (thrown) {
      this.askedMaps = '';
      this.failed(thrown);
    }
  }

  private draw(): void {
    const { samples, wanted, from } = this;
    this.teach.hidden = wanted;
    this.tools.hidden = !wanted;
    this.strip.element.parentElement!.hidden = !wanted || samples.images.length === 0;
    if (!wanted) this.chart.element.hidden = true;
    this.strip.update(samples.images, this.chosen === undefined ? undefined : String(this.chosen));
    setText(
      this.where,
      samples.count === 0
        ? 'no images'
        : `${count(from + 1)} to ${count(from + samples.images.length)} of ${count(samples.count)}`,
    );
    this.index.value = this.chosen === undefined ? '' : String(this.chosen);
    const look = { appearance: 'icon', iconOnly: true } as const;
    this.before.update({ ...look, label: 'Earlier images', icon: 'chevron-left', disabled: from === 0 });
    this.after.update({
      ...look,
      label: 'Later images',
      icon: 'chevron-right',
      disabled: from + samples.images.length >= samples.count,
    });
  }

  private describe({ index, label, predicted }: Sample): string {
    const name = (of: number): string => this.inspection?.classes[of]?.name ?? String(of);
    const taken = label === predicted ? '' : `, taken for ${name(predicted)}`;
    return `image ${index}: ${name(label)}${taken}`;
  }

  private failed(thrown: unknown): void {
    this.actions.failed(thrown);
  }
}
