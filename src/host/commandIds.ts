/** Every command of the extension; `commands.ts` says what each does, `package.json` how it is called. */
export const commandIds = [
  'dcnet.train',
  'dcnet.pauseRun',
  'dcnet.continueRun',
  'dcnet.stopRun',
  'dcnet.resumeRun',
  'dcnet.inspectLayers',
  'dcnet.explainErrors',
  'dcnet.exportReport',
  'dcnet.openTrainingPanel',
  'dcnet.compareCheckpoints',
  'dcnet.selectForCompare',
  'dcnet.compareWithSelected',
  'dcnet.compareSelected',
  'dcnet.compareWithCommitted',
  'dcnet.createSample',
  'dcnet.openConfig',
  'dcnet.rename',
  'dcnet.delete',
  'dcnet.reveal',
  'dcnet.refreshRuns',
  'dcnet.showLog',
  'dcnet.doctor',
  'dcnet.restartEngine',
  'dcnet.setUpTensorflow',
] as const;

export type CommandId = (typeof commandIds)[number];
