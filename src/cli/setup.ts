import { nameTensorflowFolder } from '../engine/setup/runtimeFolder.js';
import { setUpTensorflow } from '../engine/setup/tensorflow.js';
import { setUpWebgpu } from '../engine/setup/webgpu.js';
import type { TensorflowVariant } from '../protocol/engine.js';
import { withProgress } from './engine.js';
import { type Output, usageError } from './output.js';

/**
 * Install a runtime for this user.
 * @throws DcnetError `usage`, or what `setUpTensorflow` throws
 */
export async function setup(
  runtime: string,
  { variant, tensorflow }: { readonly variant?: TensorflowVariant; readonly tensorflow?: string },
  output: Output,
): Promise<void> {
  if (runtime === 'webgpu') {
    if (tensorflow !== undefined)
      throw usageError(
        '--tensorflow says where TensorFlow lies.',
        'Leave it out, or use: dcnet setup tensorflow.',
      );
    if (variant !== undefined)
      throw usageError('The webgpu runtime has no variants.', 'Use: dcnet setup webgpu.');
    const { folder, version, device } = await withProgress(output, setUpWebgpu);
    output.answer({ folder, version, device });
    output.say(
      `WebGPU (Dawn ${version}) is set up in ${folder} and finds ${device ?? 'no GPU: dcnet doctor says what is missing'}.`,
    );
    return;
  }
  if (runtime !== 'tensorflow')
    throw usageError(
      `There is no runtime ${runtime} to set up.`,
      'Use: dcnet setup tensorflow, or dcnet setup webgpu.',
    );
  if (tensorflow !== undefined) nameTensorflowFolder(tensorflow);
  const result = await withProgress(output, (context) => setUpTensorflow({ variant, ...context }));
  output.answer(result);
  output.say(
    `TensorFlow (${result.version}) is set up in ${result.folder} and computes on the ${result.device}.`,
  );
  if (result.warning !== undefined) output.warn(`warning: ${result.warning}`);
}
