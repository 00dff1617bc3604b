import type { CommandId } from './commandIds.js';
import { showError } from './errors.js';
import type { Host } from './host.js';

type Command = (host: Host, argument: unknown, selection: unknown) => unknown;

/** What each command does. The argument is a row of the tree, a file, or nothing; the selection all that are selected. */
const commands: Readonly<Record<CommandId, Command>> = {
  'dcnet.train': ({ training }, argument) => training.train(argument),
  'dcnet.pauseRun': ({ training }, argument) => training.pause(argument),
  'dcnet.continueRun': ({ training }, argument) => training.continue(argument),
  'dcnet.stopRun': ({ training }, argument) => training.stop(argument),
  'dcnet.resumeRun': ({ training }, argument) => training.resume(argument),
  'dcnet.inspectLayers': (host, argument) => host.inspectLayers(argument),
  'dcnet.explainErrors': (host, argument) => host.explainErrors(argument),
  'dcnet.exportReport': (host, argument) => host.exportReport(argument),
  'dcnet.robustnessReport': (host, argument) => host.robustnessReport(argument),
  'dcnet.openTrainingPanel': (host, argument) => host.openTrainingPanel(argument),
  'dcnet.compareCheckpoints': ({ comparing }, argument) => comparing.pick(argument),
  'dcnet.selectForCompare': ({ comparing }, argument) => comparing.select(argument),
  'dcnet.compareWithSelected': ({ comparing }, argument) => comparing.withSelected(argument),
  'dcnet.compareSelected': ({ comparing }, argument, selection) => comparing.both(argument, selection),
  'dcnet.compareWithCommitted': ({ comparing }, argument) => comparing.withCommitted(argument),
  'dcnet.createSample': (host) => host.createSample(),
  'dcnet.ejectPreset': ({ presets }, argument) => presets.eject(argument),
  'dcnet.openConfig': ({ files }, argument) => files.openConfig(argument),
  'dcnet.rename': (host, argument) => host.files.rename(argument ?? host.selectedRow()),
  'dcnet.delete': (host, argument) => host.files.delete(argument ?? host.selectedRow()),
  'dcnet.reveal': ({ files }, argument) => files.reveal(argument),
  'dcnet.refreshRuns': ({ runs }) => runs.refresh(),
  'dcnet.showLog': ({ log }) => log.show(),
  'dcnet.doctor': ({ doctor }) => doctor.show(),
  'dcnet.restartEngine': (host) => host.restartEngine(),
  'dcnet.setUpTensorflow': (host) => host.setUpTensorflow(),
  'dcnet.downloadData': (host) => host.downloadData(),
  'dcnet.setUpWebgpu': (host) => host.setUpWebgpu(),
};

/** Run a command; what goes wrong is told to the user. */
export async function execute(
  host: Host,
  id: CommandId,
  argument: unknown,
  selection: unknown,
): Promise<unknown> {
  try {
    return await commands[id](host, argument, selection);
  } catch (thrown) {
    void showError(host.log, thrown); // not waited for: the message stands until the user answers it
    return undefined;
  }
}
