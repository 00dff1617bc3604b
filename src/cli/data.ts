import path from 'node:path';
import { type DownloadName, downloadedData, downloads, whereItLies } from '../core/data/downloads.js';
import { loadData } from '../engine/data/dataSet.js';
import { locatePlace } from '../engine/data/detect.js';
import { downloadData } from '../engine/download/downloadData.js';
import { withProgress } from './engine.js';
import { type Output, table } from './output.js';

/**
 * Fetch a data set.
 * @throws DcnetError as `downloadData`
 */
export async function dataGet(
  name: DownloadName,
  { to, from }: { readonly to?: string; readonly from?: string },
  output: Output,
): Promise<void> {
  const folder = path.resolve(to ?? path.join('data', name));
  const downloaded = await withProgress(output, (context) =>
    downloadData(downloads[name], { folder, from, ...context }),
  );
  const data = downloadedData(downloads[name], path.relative('.', folder).split(path.sep).join('/') || '.');
  output.answer({ folder, ...downloaded, data });
  output.say(whereItLies(downloads[name], downloaded, folder));
  output.say(`In a config beside this folder: "data": ${JSON.stringify(data)}`);
}

/**
 * What a data set holds.
 * @throws DcnetError `config` or `data`
 */
export async function dataInfo(
  place: string,
  { media }: { readonly media: string },
  output: Output,
): Promise<void> {
  const { info, sha256, train, test } = await loadData(await locatePlace(place, media));
  const count = (labels: ArrayLike<number>): number[] => {
    const counts = new Array<number>(info.classes).fill(0);
    for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
    return counts;
  };
  const [ofTrain, ofTest] = [count(train.labels), count(test.labels)];
  const perClass = info.classNames.map((name, label) => ({
    name,
    train: ofTrain[label]!,
    test: ofTest[label]!,
  }));
  output.answer({ ...info, sha256, perClass });
  output.say(
    `${info.name}: ${info.trainImages.toLocaleString('en')} training and ${info.testImages.toLocaleString('en')} test images, ${info.shape.join('×')}, ${info.classes} classes`,
  );
  output.say(`SHA-256 ${sha256}`);
  output.say(
    table([
      ['class', 'train', 'test'],
      ...perClass.map((of) => [of.name, String(of.train), String(of.test)]),
    ]),
  );
}
