import type { MessageConnection } from 'vscode-jsonrpc/browser';
import { type Handlers, openChannel } from '../../../../src/protocol/channel.js';
import {
  type ErrorsView,
  errorsHostContract,
  errorsPanelContract,
} from '../../../../src/protocol/panels/errors.js';
import { drawImage, makeAttack, makeEvidence } from '../errors.js';
import type { Answer, PanelHost } from './panelHost.js';

export interface ErrorsSetup {
  readonly panel: 'errors';
  readonly view: ErrorsView;
}

/** Images, evidence and attack are made up for what the view speaks of. */
export function joinErrors(connection: MessageConnection, answer: Answer, setup: ErrorsSetup): PanelHost {
  let { view } = setup;
  const nothing = (name: string) => (params: unknown) => answer(name, params, {});
  const picture = () => {
    if (view.status === 'full') return view.picture;
    if (view.status !== 'empty' && view.previous) return view.previous;
    throw new Error('There is no picture to ask about.');
  };
  const labelOf = (index: number): number => picture().analysis.labels[index]!;
  const handlers: Handlers<typeof errorsHostContract> = {
    ready: (params) => answer('ready', params, { view }),
    cancel: nothing('cancel'),
    retry: nothing('retry'),
    runAction: nothing('runAction'),
    compare: nothing('compare'),
    stopComparing: nothing('stopComparing'),
    act: nothing('act'),
    saveFile: (params) => answer('saveFile', params, { saved: true }),
    images: (params) =>
      answer(
        'images',
        params,
        params.indices.map((index) => drawImage(index, labelOf(index))),
      ),
    evidence: (params) => {
      const { analysis, second } = picture();
      return answer(
        'evidence',
        params,
        makeEvidence(params.of === 'second' ? second! : analysis, params.index),
      );
    },
    attack: async (params, { report }) => {
      report({ activity: 'Attacking', done: 1, total: 2 });
      return answer('attack', params, makeAttack(picture().analysis, params));
    },
    attackedImages: (params) =>
      answer(
        'attackedImages',
        params,
        params.indices.map((index) => ({
          before: drawImage(index, labelOf(index)),
          after: drawImage(index, labelOf(index), params.epsilon),
        })),
      ),
  };
  const panel = openChannel(connection, errorsHostContract, handlers, errorsPanelContract);
  return {
    show: (next) => {
      view = next as ErrorsView;
      panel.notify('show', view);
    },
    fail: () => undefined,
    selectLayer: () => undefined,
  };
}
