import { DcnetError } from '../../src/core/errors.js';
import type { LayerInspection } from '../../src/core/statistics/inspection.js';
import type { Report } from '../../src/protocol/report.js';
import { heroContent } from '../layer/content.js';
import { LayerEvidence } from '../layer/evidence.js';
import { FiltersBlock } from '../layer/filters.js';
import { outputContent } from '../layer/output.js';
import { RadiusSlider } from '../layer/radiusSlider.js';
import { Chart } from '../shared/chart/chart.js';
import { html } from '../shared/dom.js';
import { ErrorBlock } from '../shared/message.js';
import { download } from './save.js';

/** Id of a layer's section, for links. */
export function layerAnchor({ name }: LayerInspection): string {
  return `layer-${name}`;
}

/** One layer as the layer panel shows it, as far as the numbers in the page go. */
export function layerSection({ inspection, angles }: Report, layer: LayerInspection): HTMLElement {
  let filter: number | undefined;
  let movedRadius: number | undefined;
  const [hero, output] = [new Chart(download), new Chart(download)];
  const radius = new RadiusSlider((moved) => {
    movedRadius = moved;
    show();
  });
  const evidence = new LayerEvidence();
  const failure = new ErrorBlock();
  const filters = new FiltersBlock({
    choose: (chosen) => {
      [filter, movedRadius] = [chosen, undefined];
      show();
    },
    filterAngles: async (name) => {
      const found = angles.find((between) => between.layer === name);
      if (found !== undefined) return found.angles;
      throw new DcnetError({
        code: 'usage',
        message: `The angles between the ${layer.filters} filters of ${name} are too many for a report.`,
        remedy: 'The layer panel shows them.',
      });
    },
    saveFile: download,
    failed: (thrown) => failure.showThrown(thrown),
  });
  const show = (): void => {
    const subject = { layer, filter, movedRadius };
    hero.update(heroContent(inspection, subject, undefined));
    radius.update(subject);
    if (layer.patches > 0) output.update(outputContent(inspection, subject, undefined));
    evidence.update(subject);
    filters.update(inspection, layer, filter);
  };
  show();
  output.element.classList.add('wide');
  output.element.hidden = layer.patches === 0;
  return html(
    'section',
    { id: layerAnchor(layer), class: 'report-layer', 'aria-label': layer.name },
    html('div', { class: 'hero' }, hero.element, radius.element),
    failure.element,
    html('div', { class: 'evidence' }, output.element, ...evidence.parts, ...filters.parts),
  );
}
