import * as vscode from 'vscode';
import type { Handlers } from '../../protocol/channel.js';
import { backendSchema, type EngineEventsContract } from '../../protocol/engine.js';
import { Owner } from '../lifecycle.js';
import { EngineClient } from './engineClient.js';
import { analysisFiles, type EngineFiles, trainingFiles } from './engineFiles.js';
import type { EngineProgram } from './engineProcess.js';

/** An engine that analyses and is asked nothing for so long is ended. */
const analysisIdleMs = 2 * 60_000;

export interface EngineListener {
  readonly events: Omit<Handlers<EngineEventsContract>, 'log'>;
  /** The engine that trains is connected. */
  readonly onConnected: () => void;
  /** The engine that trains is gone; `expected` when it was told to go. */
  readonly onGone: (expected: boolean) => void;
}

/**
 * Two processes of one program: one trains and outlives the window, the other measures and goes when it is idle. So
 * looking into a network neither slows nor endangers a training.
 */
export class Engines extends Owner {
  readonly training: EngineClient;
  readonly analysis: EngineClient;

  constructor(context: vscode.ExtensionContext, log: vscode.LogOutputChannel, listener: EngineListener) {
    super();
    this.training = this._register(
      new EngineClient({
        name: 'training',
        program: () => program(context, trainingFiles(context)),
        log,
        ...listener,
      }),
    );
    const silent = (): void => undefined;
    this.analysis = this._register(
      new EngineClient({
        name: 'analysis',
        program: () => program(context, analysisFiles(context)),
        log,
        events: { runChanged: silent, runFinished: silent },
        idleLimitMs: analysisIdleMs,
      }),
    );
  }

  end(): void {
    this.training.end();
    this.analysis.end();
  }
}

function program(context: vscode.ExtensionContext, files: EngineFiles): EngineProgram {
  const settings = vscode.workspace.getConfiguration('dcnet');
  const backend = backendSchema.safeParse(settings.get('backend'));
  return {
    nodePath: settings.get<string>('nodePath', '').trim() || process.execPath,
    script: context.asAbsolutePath('dist/engine.js'),
    backend: backend.success ? backend.data : 'auto',
    tensorflowFolder: settings.get<string>('tensorflowFolder', '').trim(),
    ...files,
  };
}
