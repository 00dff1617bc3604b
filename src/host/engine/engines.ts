import * as vscode from 'vscode';
import * as z from 'zod';
import type { Handlers } from '../../protocol/channel.js';
import {
  type BackendName,
  backendNameSchema,
  backendSchema,
  type EngineEventsContract,
  precisionSchema,
} from '../../protocol/engine.js';
import { Owner } from '../lifecycle.js';
import { EngineClient, type EngineDeath } from './engineClient.js';
import { analysisFiles, trainingFiles } from './engineFiles.js';
import type { EngineProgram } from './engineProcess.js';
import type { RuntimeMemory } from './lastRuntime.js';
import { findNode, type NodeProgram } from './nodeProgram.js';

/** An engine that analyses and is asked nothing for so long is ended. */
const analysisIdleMs = 2 * 60_000;

export interface EngineListener {
  readonly events: Omit<Handlers<EngineEventsContract>, 'log'>;
  /** The engine that trains is connected. */
  readonly onConnected: () => void;
  /** The engine that trains is gone, and why where it was not told to go. */
  readonly onGone: (death: EngineDeath | undefined) => void;
}

/** Runs that are trained with another runtime than the settings name. */
const insteadSchema = z.object({
  backend: backendNameSchema,
  because: z.string(),
  /** Their folders. */
  runs: z.array(z.string()),
});
type Instead = z.infer<typeof insteadSchema>;

/** Where that is kept: a reloaded window finds the engine that was started so. */
const insteadKey = 'dcnet.trainInstead';

/**
 * Two processes of one program: one trains and outlives the window, the other measures and goes when it is idle. So
 * looking into a network neither slows nor endangers a training.
 */
export class Engines extends Owner {
  readonly training: EngineClient;
  readonly analysis: EngineClient;

  constructor(
    private readonly context: vscode.ExtensionContext,
    log: vscode.LogOutputChannel,
    memory: RuntimeMemory,
    listener: EngineListener,
  ) {
    super();
    const silent = (): void => undefined;
    const onSlowStart = (message: string): void => void vscode.window.showInformationMessage(message);
    this.training = this._register(
      new EngineClient({
        name: 'training',
        files: () => trainingFiles(context),
        program: () => program(context, this.instead?.backend),
        log,
        events: listener.events,
        onConnected: (runtime, isNew) => {
          memory.connected('training', runtime, isNew && this.instead === undefined);
          listener.onConnected();
        },
        onGone: (death) => {
          memory.gone('training');
          listener.onGone(death);
        },
        onSlowStart,
      }),
    );
    this.analysis = this._register(
      new EngineClient({
        name: 'analysis',
        files: () => analysisFiles(context),
        program: () => program(context),
        log,
        events: { runChanged: silent, runFinished: silent },
        onConnected: (...told) => memory.connected('analysis', ...told),
        onGone: () => memory.gone('analysis'),
        onSlowStart,
        idleLimitMs: analysisIdleMs,
      }),
    );
  }

  end(): void {
    this.trainAsSet();
    this.training.end();
    this.analysis.end();
  }

  /** What trainings are computed with in place of what the settings name; `undefined`: with that. */
  get instead(): Instead | undefined {
    return insteadSchema.safeParse(this.context.workspaceState.get(insteadKey)).data;
  }

  /** Have the engine that trains, started anew, compute with another runtime, until the settings count again. */
  trainInstead(instead: Instead): void {
    if (instead.backend !== this.instead?.backend) this.training.end();
    void this.context.workspaceState.update(insteadKey, instead);
  }

  /** The settings count again. */
  trainAsSet(): void {
    if (this.instead === undefined) return;
    this.training.end();
    void this.context.workspaceState.update(insteadKey, undefined);
  }
}

/** @throws DcnetError `engine` where `dcnet.nodePath` is wrong */
async function program(
  context: vscode.ExtensionContext,
  instead?: BackendName | undefined,
): Promise<EngineProgram> {
  const settings = vscode.workspace.getConfiguration('dcnet');
  const backend = backendSchema.safeParse(settings.get('backend'));
  const precision = precisionSchema.safeParse(settings.get('precision'));
  return {
    node: await configuredNode(),
    script: context.asAbsolutePath('dist/engine.js'),
    backend: instead ?? (backend.success ? backend.data : 'auto'),
    // Another runtime than the one that the settings name may have 32 bits only.
    precision: precision.success && instead === undefined ? precision.data : 'fp32',
    tensorflowFolder: settings.get<string>('tensorflowFolder', '').trim(),
    workers: workersOf(settings.get('workers')),
  };
}

/** A number of threads from 1; what is no such number, which VS Code underlines in the settings, is 0: as many as serve. */
function workersOf(setting: unknown): number {
  return typeof setting === 'number' && Number.isInteger(setting) && setting > 0 ? setting : 0;
}

/** The Node.js that engines run in. @throws DcnetError `engine` where `dcnet.nodePath` is wrong */
export function configuredNode(): Promise<NodeProgram> {
  return findNode(vscode.workspace.getConfiguration('dcnet').get<string>('nodePath', '').trim());
}
