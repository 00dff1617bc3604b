import type { MessageConnection } from 'vscode-jsonrpc/browser';
import { type Handlers, openChannel } from '../../../../src/protocol/channel.js';
import {
  pageColumns,
  pageRows,
  type TensorStatistics,
  type TensorsView,
  tensorsHostContract,
  tensorsPanelContract,
} from '../../../../src/protocol/panels/tensors.js';
import type { Answer, PanelHost } from './panelHost.js';

export interface TensorsSetup {
  readonly panel: 'tensors';
  readonly view: TensorsView;
  readonly statistics?: TensorStatistics;
}

export function joinTensors(
  connection: MessageConnection,
  answer: Answer,
  { view, statistics = { count: 0, notFinite: 0, zeros: 0 } }: TensorsSetup,
): PanelHost {
  const nothing = (name: string) => (params: unknown) => answer(name, params, {});
  const handlers: Handlers<typeof tensorsHostContract> = {
    ready: (params) => answer('ready', params, view),
    page: (params) => {
      const shape =
        (view.status === 'full' && view.tensors.find(({ name }) => name === params.tensor)?.shape) || [];
      const size = (axis: number, from: number, most: number): number =>
        Math.min(most, (shape.at(axis) ?? 1) - from);
      // Each value tells where it is from: 0.RRCC.
      const values = Array.from({ length: size(-2, params.row, pageRows) }, (_, r) =>
        Array.from(
          { length: size(-1, params.column, pageColumns) },
          (_, c) => (params.row + r) / 100 + (params.column + c) / 10_000 - (params.leading[0] ?? 0),
        ),
      );
      return answer('page', params, { values });
    },
    statistics: (params, { report }) => {
      report({ activity: 'Reading values', done: 1, total: 2 });
      return answer('statistics', params, statistics);
    },
    act: nothing('act'),
    openConfig: nothing('openConfig'),
    saveFile: (params) => answer('saveFile', params, { saved: true }),
  };
  const panel = openChannel(connection, tensorsHostContract, handlers, tensorsPanelContract);
  return {
    show: (next) => panel.notify('show', next as TensorsView),
    selectLayer: () => undefined,
    fail: () => undefined,
  };
}
