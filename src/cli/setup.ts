import { setUpTensorflow } from '../engine/setup/tensorflow.js';
import type { TensorflowVariant } from '../protocol/engine.js';
import { withProgress } from './engine.js';
import { type Output, usageError } from './output.js';

/**
 * Install a runtime for this user.
 * @throws DcnetError `usage`, or what `setUpTensorflow` throws
 */
export async function setup(
  runtime: string,
  { variant }: { readonly variant?: TensorflowVariant },
  output: Output,
): Promise<void> {
  if (runtime !== 'tensorflow')
    throw usageError(`There is no runtime ${runtime} to set up.`, 'Use: dcnet setup tensorflow.');
  const result = await withProgress(output, (context) => setUpTensorflow({ variant, ...context }));
  output.answer(result);
  output.say(
    `TensorFlow (${result.version}) is set up in ${result.folder} and computes on the ${result.device}.`,
  );
}
