import path from 'node:path';
import envPaths from 'env-paths';

/**
 * Where the TensorFlow runtime that `setUpTensorflow` installs lies: one for each user, shared by the editor and the
 * command line. `DCNET_RUNTIME` overrides it.
 */
export function tensorflowRuntimeFolder(): string {
  return (
    process.env.DCNET_RUNTIME ?? path.join(envPaths('dcnet-inspector', { suffix: '' }).data, 'tensorflow')
  );
}
