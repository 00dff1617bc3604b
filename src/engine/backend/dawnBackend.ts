import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu/dist/backend_webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import { mapNow } from './dawn.js';

/** tfjs's WebGPU backend on Dawn, with values that can be read at once: tfjs's own way needs a browser's canvas. */
export class DawnBackend extends WebGPUBackend {
  #failure: string | undefined;
  readonly #pipelines = new Map<string, GPUComputePipeline>();

  constructor(device: GPUDevice, info: GPUAdapterInfo) {
    super(device, info);
    device.addEventListener('uncapturederror', ({ error }) => {
      this.#failure ??= error.message;
    });
  }

  /**
   * @throws DcnetError `backend` where the device refused something since the last read: what it computed since then is
   * not to be relied on
   */
  override readSync(dataId: object): tf.backend_util.BackendValues {
    const stored = this.tensorMap.get(dataId);
    if (stored.values !== null && stored.values !== undefined) return stored.values;
    if (stored.complexTensorInfos !== undefined) return super.readSync(dataId);
    const source = stored.resource as GPUBuffer;
    const staging = this.bufferManager.acquireBuffer(
      source.size,
      GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    );
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    internals(this).commandEncoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
    this.submitQueue();
    const bytes = mapNow(staging).slice(0);
    staging.unmap();
    this.bufferManager.releaseBuffer(staging);
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failure = undefined;
      throw new DcnetError({
        code: 'backend',
        message: `The GPU refused a computation: ${failure}`,
        remedy: 'Use a smaller batch if it ran out of memory; else --backend wasm, which runs everywhere.',
      });
    }
    stored.values = tf.util.convertBackendValuesAndArrayBuffer(bytes, stored.dtype);
    return stored.values;
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  /** A tensor of float32 whose values a kernel is to write. */
  output(shape: readonly number[]): tf.TensorInfo {
    return this.makeTensorInfo([...shape], 'float32');
  }

  /**
   * Queue a kernel of ours behind what tfjs has queued.
   * @throws Error where its WGSL is wrong: a defect
   */
  dispatch({ code, constants = {}, inputs, outputs, groups }: Dispatch): void {
    const tensors = [...outputs, ...inputs];
    for (const { dataId } of tensors) this.uploadToGPU(dataId);
    const pipeline = this.#pipelineOf(code, constants);
    const hidden = internals(this);
    const bindGroup = this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: tensors.map((tensor, binding) => ({ binding, resource: hidden.tensorToBinding(tensor) })),
    });
    // What is disposed of from here on stays until the queue is submitted.
    for (const { dataId } of tensors) hidden.commandQueueOwnedIds.add(dataId);
    this.ensureCommandEncoderReady();
    hidden.computePassEncoder ??= hidden.commandEncoder.beginComputePass();
    hidden.computePassEncoder.setPipeline(pipeline);
    hidden.computePassEncoder.setBindGroup(0, bindGroup);
    hidden.computePassEncoder.dispatchWorkgroups(...groups);
    hidden.dispatchCountInPass++;
    if (hidden.dispatchCountInPass >= tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
      this.endComputePassEncoder();
      this.submitQueue();
    }
  }

  /** One for each kernel and its constants: compiled when it is first used. */
  #pipelineOf(code: string, constants: Readonly<Record<string, number>>): GPUComputePipeline {
    const key = `${JSON.stringify(constants)}${code}`;
    const known = this.#pipelines.get(key);
    if (known !== undefined) return known;
    const pipeline = this.device.createComputePipeline({
      layout: 'auto',
      compute: { module: this.device.createShaderModule({ code }), entryPoint: 'main', constants },
    });
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }
}

/** One run of a kernel of ours. */
export interface Dispatch {
  /** WGSL whose entry point is `main`. Its bindings are those of {@link bindings}. */
  readonly code: string;
  /** Values of its overridable constants: sizes, so that they are known when it is compiled. */
  readonly constants?: Readonly<Record<string, number>>;
  readonly inputs: readonly tf.TensorInfo[];
  readonly outputs: readonly tf.TensorInfo[];
  /** Workgroups in x, y and z. */
  readonly groups: readonly [number, number, number];
}

/** The WGSL that declares a kernel's outputs and inputs, arrays of f32, in the order of {@link Dispatch}. */
export function bindings(outputs: readonly string[], inputs: readonly string[]): string {
  const declare = (access: string, index: number, name: string): string =>
    `@group(0) @binding(${index}) var<storage, ${access}> ${name}: array<f32>;\n`;
  return [
    ...outputs.map((name, index) => declare('read_write', index, name)),
    ...inputs.map((name, index) => declare('read', outputs.length + index, name)),
  ].join('');
}

const groupsPerDimension = 65_535;

/** So many workgroups in a line, broken where a dimension is full; `groupIndex` of {@link lineOfGroups} counts them. */
export function inLine(groups: number): [number, number, number] {
  return [Math.min(groups, groupsPerDimension), Math.ceil(groups / groupsPerDimension), 1];
}

/** WGSL for a workgroup's number in the line that {@link inLine} breaks; it may be beyond the last. */
export const lineOfGroups = `
fn groupIndex(group: vec3u) -> u32 {
  return group.y * ${groupsPerDimension}u + group.x;
}
`;

/** What tfjs calls private. */
interface Internals {
  readonly commandEncoder: GPUCommandEncoder;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  tensorToBinding(tensor: tf.TensorInfo): GPUBindingResource;
}

function internals(backend: DawnBackend): Internals {
  return backend as unknown as Internals;
}
