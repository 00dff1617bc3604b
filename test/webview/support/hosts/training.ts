import type { MessageConnection } from 'vscode-jsonrpc/browser';
import { openChannel } from '../../../../src/protocol/channel.js';
import {
  type TrainingView,
  trainingHostContract,
  trainingPanelContract,
} from '../../../../src/protocol/panels/training.js';
import type { Answer, PanelHost } from './panelHost.js';

export interface TrainingSetup {
  readonly panel: 'training';
  readonly view: TrainingView;
}

export function joinTraining(
  connection: MessageConnection,
  answer: Answer,
  { view }: TrainingSetup,
): PanelHost {
  const nothing = (name: string) => (params: unknown) => answer(name, params, {});
  const panel = openChannel(
    connection,
    trainingHostContract,
    {
      ready: (params) => answer('ready', params, view),
      pause: nothing('pause'),
      continue: nothing('continue'),
      stop: nothing('stop'),
      resume: nothing('resume'),
      inspect: nothing('inspect'),
      revealConfig: nothing('revealConfig'),
      saveFile: (params) => answer('saveFile', params, { saved: true }),
    },
    trainingPanelContract,
  );
  return {
    show: (next) => panel.notify('show', next as TrainingView),
    fail: (error) => panel.notify('failed', error),
    selectLayer: () => undefined,
  };
}
