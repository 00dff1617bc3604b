// Imports point one way: core <- protocol <- engine | host | webview; the command line and the tools stand over the engine.

/**
 * A room may import from itself and from the rooms named, and from nowhere else in the repository.
 * @param {string} room a folder
 * @param {readonly string[]} others folders
 */
const mayImport = (room, others) => ({
  name: `${room.replace('src/', '')}-imports`,
  comment: `${room} may import from ${['itself', ...others].join(', ')}.`,
  severity: 'error',
  from: { path: `^${room}/` },
  to: { path: '^(src|webview|test)/', pathNot: `^(${[room, ...others].join('|')})/` },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    mayImport('src/core', []),
    mayImport('src/protocol', ['src/core']),
    mayImport('src/engine', ['src/core', 'src/protocol']),
    mayImport('src/host', ['src/core', 'src/protocol']),
    mayImport('src/cli', ['src/core', 'src/protocol', 'src/engine']),
    mayImport('src/bench', ['src/core', 'src/protocol', 'src/engine']),
    mayImport('src/tools', ['src/core', 'src/protocol', 'src/engine']),
    mayImport('webview', ['src/core', 'src/protocol']),
    {
      name: 'extension-imports',
      comment: 'The entry only wires up the host.',
      severity: 'error',
      from: { path: '^src/extension\\.ts$' },
      to: { path: '^(src|webview|test)/', pathNot: '^src/(host|core|protocol)/' },
    },
    {
      name: 'core-is-pure',
      comment: 'The core knows no editor, tensor library, Node or DOM.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'core-libraries',
      comment: 'The core uses small libraries that are as pure as itself.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: 'node_modules/', pathNot: 'node_modules/(zod|jsonc-parser|fastest-levenshtein|pure-rand|linear-sum-assignment|ml-matrix)/' },
    },
    {
      name: 'vscode-in-host-only',
      severity: 'error',
      from: { path: '^(src|webview)/', pathNot: '^src/(host/|extension\\.ts$)' },
      to: { path: '^vscode$|node_modules/@types/vscode/' },
    },
    {
      name: 'tensors-in-engine-only',
      severity: 'error',
      from: { path: '^(src|webview)/', pathNot: '^src/(engine|bench)/' },
      to: { path: 'node_modules/@tensorflow/' },
    },
    {
      name: 'no-node-in-webview',
      severity: 'error',
      from: { path: '^webview/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'toolkit-in-one-file',
      comment: 'The toolkit is archived: one file knows it, so that one file can replace it.',
      severity: 'error',
      from: { pathNot: '^webview/shared/controls\\.ts$' },
      to: { path: 'node_modules/@vscode/webview-ui-toolkit/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^(vscode|@tensorflow/tfjs-node-gpu)$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'src/tools/workbench/node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
