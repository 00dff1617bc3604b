import { version as dcnetVersion } from '../../../package.json';
import { parameterCount } from '../../core/config/parameters.js';
import type { Inspection } from '../../core/statistics/inspection.js';
import type { Report } from '../../protocol/report.js';
import { openCheckpoint } from '../checkpoint/openCheckpoint.js';
import { anglesBetween, filtersOf } from '../inspection/filterGeometry.js';
import { RunFolder } from '../training/runFolder.js';
import { errorsFile, readErrors } from '../verdict/store.js';
import { reportPage } from './page.js';
import { readParts, writePage } from './writePage.js';

/** Angles between filters weigh 8/3 bytes a pair, base64: of so many pairs, some 1 MB, a page holds at most. */
const mostPairs = 400_000;

/**
 * Write an inspection and what belongs to it as one self-contained HTML file, whole or not at all.
 * @param file absolute; replaced where there is one
 * @param webviewDirectory where the page's script and style sheet are
 * @returns the file's size in bytes
 * @throws DcnetError `io` when it cannot be written, `checkpoint` when the checkpoint cannot be read
 */
export async function writeReport(
  inspection: Inspection,
  file: string,
  webviewDirectory: string,
): Promise<number> {
  const [report, parts] = await Promise.all([gather(inspection), readParts('report', webviewDirectory)]);
  return writePage(file, reportPage(report, parts));
}

async function gather(inspection: Inspection): Promise<Report> {
  const { checkpoint: file, split, checkpointSha256 } = inspection;
  const folder = await RunFolder.ofCheckpoint(file);
  const environment = await folder?.readEnvironment();
  const explained = folder && (await readErrors(errorsFile(folder, file, split), checkpointSha256));
  const { checkpoint, network, model } = await openCheckpoint(file);
  try {
    const { configText, data } = checkpoint.metadata;
    return {
      version: 1,
      dcnetVersion,
      writtenAt: new Date().toISOString(),
      inspection,
      configText,
      classNames: data.classNames,
      dataSha256: data.sha256,
      parameters: network.layers
        .map((layer) => ({ layer: layer.name, count: parameterCount(layer) }))
        .filter(({ count }) => count > 0),
      angles: layersWithAngles(inspection).map((layer) => ({
        layer,
        angles: anglesBetween(filtersOf(model, layer)),
      })),
      ...(environment === undefined ? {} : { environment }),
      ...(explained === undefined ? {} : { errors: explained.analysis }),
    };
  } finally {
    model.dispose();
  }
}

/** The layers whose angles between filters fit into a page: the smallest first, so that most do. */
function layersWithAngles({ layers }: Inspection): readonly string[] {
  let pairs = 0;
  return layers
    .filter(({ filters }) => filters > 1)
    .sort((a, b) => a.filters - b.filters)
    .filter(({ filters }) => {
      pairs += (filters * (filters - 1)) / 2;
      return pairs <= mostPairs;
    })
    .map(({ name }) => name);
}
