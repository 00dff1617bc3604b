import { setTimeout as delay } from 'node:timers/promises';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu/dist/backend_webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { DcnetError } from '../../core/errors.js';
import { mapNow } from './dawn.js';
import { Traffic } from './traffic.js';
import type { TunedWork, Tuner } from './tuning.js';
import { type Dispatch, type Storage, shaderOf } from './wgsl/kernel.js';

/** Variants of a kernel are timed by so many rounds, and so many runs in each: more than a clock's tick. */
const timedRounds = 3;
const runsARound = 4;
/** The driver's reason for a lost device comes after the first read that fails. */
const reasonLimitMs = 1_000;

/** tfjs's WebGPU backend on Dawn, with values that can be read at once: tfjs's own way needs a browser's canvas. */
export class DawnBackend extends WebGPUBackend {
  #failure: DcnetError | undefined;
  #lost: DcnetError | undefined;
  /** The device is lost, and why: whatever is computed from then on is not. */
  readonly lost: Promise<DcnetError>;
  readonly #pipelines = new Map<string, GPUComputePipeline>();

  #isTiming = false;
  /** What the kernels of decoupled convolutions keep activations and weights in. */
  storage: Storage = 'float32';

  constructor(
    device: GPUDevice,
    info: GPUAdapterInfo,
    private readonly tuner: Tuner,
  ) {
    super(device, info);
    device.addEventListener('uncapturederror', ({ error }) => {
      this.#failure ??= refusalOf(error);
    });
    this.lost = device.lost.then(({ message }) => {
      this.#lost = lossOf(message);
      return this.#lost;
    });
  }

  /**
   * @throws DcnetError `backend`, or `memory` where there was none left, where the device refused something since the last
   * read: what it computed since then is not to be relied on; `engine` where the device is lost
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
    const bytes = this.#mapped(staging).slice(0);
    staging.unmap();
    this.bufferManager.releaseBuffer(staging);
    const failure = this.#takeFailure();
    if (failure !== undefined) throw failure;
    stored.values = tf.util.convertBackendValuesAndArrayBuffer(bytes, stored.dtype);
    return stored.values;
  }

  /** What the device refused goes before that it gives no data any more: it is why. */
  #mapped(staging: GPUBuffer): ArrayBuffer {
    try {
      return mapNow(staging);
    } catch (thrown) {
      throw this.#takeFailure() ?? this.#lost ?? lossOf((thrown as Error).message);
    }
  }

  #takeFailure(): DcnetError | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** As {@link readSync}, but its errors come through the promise, and that the device is lost with the driver's reason. */
  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    try {
      return this.readSync(dataId);
    } catch (thrown) {
      const isLoss = thrown instanceof DcnetError && thrown.details.code === 'engine';
      throw isLoss ? await Promise.race([this.lost, delay(reasonLimitMs, thrown)]) : thrown;
    }
  }

  /** A tensor of float32 whose values a kernel is to write. */
  output(shape: readonly number[]): tf.TensorInfo {
    return this.makeTensorInfo([...shape], 'float32');
  }

  /** Bytes and kernels that were sent to the GPU, tfjs's and our own. */
  readonly traffic = new Traffic();

  override runWebGPUProgram(
    ...given: Parameters<WebGPUBackend['runWebGPUProgram']>
  ): ReturnType<WebGPUBackend['runWebGPUProgram']> {
    const compiled = Object.keys(internals(this).pipelineCache).length;
    const output = super.runWebGPUProgram(...given);
    if (tf.util.sizeFromShape(output.shape) > 0) this.traffic.add(bytesOf(given[1]), bytesOf([output]));
    if (Object.keys(internals(this).pipelineCache).length > compiled) this.traffic.addPipeline();
    return output;
  }

  /**
   * Queue a kernel of ours behind what tfjs has queued.
   * @throws Error where its WGSL is wrong: a defect
   */
  dispatch(dispatch: Dispatch): void {
    const { sizes = {}, groups } = dispatch;
    const [inputs, outputs, updated] = [dispatch.inputs, dispatch.outputs, dispatch.updated ?? {}].map(
      (named) => Object.values(named),
    ) as [tf.TensorInfo[], tf.TensorInfo[], tf.TensorInfo[]];
    const tensors = [...outputs, ...updated, ...inputs];
    for (const { dataId } of tensors) this.uploadToGPU(dataId);
    // What was read of them is not what they hold from here on.
    for (const { dataId } of updated) Object.assign(this.tensorMap.get(dataId), { values: null });
    const pipeline = this.#pipelineOf(dispatch);
    const hidden = internals(this);
    const resources = tensors.map((tensor) => hidden.tensorToBinding(tensor));
    const values = Object.values(sizes);
    if (values.length > 0)
      resources.push(hidden.makeUniforms(values.map((size) => ({ type: 'uint32', data: [size] }))));
    const bindGroup = this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
    // What is disposed of from here on stays until the queue is submitted.
    for (const { dataId } of tensors) hidden.commandQueueOwnedIds.add(dataId);
    this.ensureCommandEncoderReady();
    hidden.computePassEncoder ??= hidden.commandEncoder.beginComputePass();
    hidden.computePassEncoder.setPipeline(pipeline);
    hidden.computePassEncoder.setBindGroup(0, bindGroup);
    hidden.computePassEncoder.dispatchWorkgroups(...groups);
    if (!this.#isTiming)
      this.traffic.add(bytesOf([...updated, ...inputs]), bytesOf([...outputs, ...updated]));
    hidden.dispatchCountInPass++;
    if (hidden.dispatchCountInPass >= tf.env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
      this.endComputePassEncoder();
      this.submitQueue();
    }
  }

  /**
   * The variant of a kernel that is fastest here: see {@link Tuner}.
   * @param run queues a variant, and gives its outputs, which are thrown away
   */
  choose<T>(
    work: TunedWork,
    candidates: readonly [T, ...T[]],
    run: (candidate: T) => readonly tf.TensorInfo[],
  ): T {
    return this.tuner.choose(work, candidates, (candidate) => {
      this.#isTiming = true;
      try {
        return this.#secondsOf(() => {
          for (const { dataId } of run(candidate)) this.disposeData(dataId);
        });
      } finally {
        this.#isTiming = false;
      }
    });
  }

  /** See {@link Tuner.limit}. */
  limitTuning(ms: number): void {
    this.tuner.limit(ms);
  }

  /** The least of some rounds, by the device's clock where it has one; the first round warms up. */
  #secondsOf(work: () => void): number {
    let least = Number.POSITIVE_INFINITY;
    for (let round = -1; round < timedRounds; round++) {
      const seconds = this.#roundOf(work);
      if (round >= 0) least = Math.min(least, seconds);
    }
    return least;
  }

  #roundOf(work: () => void): number {
    const hidden = internals(this);
    const hasClock = this.device.features.has('timestamp-query');
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    this.submitQueue();
    const readable = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const staging = this.device.createBuffer({ size: 16, usage: readable });
    const stamps = this.device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.COPY_SRC | (hasClock ? GPUBufferUsage.QUERY_RESOLVE : 0),
    });
    const startedAt = performance.now();
    this.ensureCommandEncoderReady();
    const querySet = hasClock ? this.device.createQuerySet({ type: 'timestamp', count: 2 }) : undefined;
    if (querySet !== undefined)
      hidden.computePassEncoder = hidden.commandEncoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
      });
    for (let i = 0; i < runsARound; i++) work();
    this.endComputePassEncoder();
    if (querySet !== undefined) hidden.commandEncoder.resolveQuerySet(querySet, 0, 2, stamps, 0);
    hidden.commandEncoder.copyBufferToBuffer(stamps, 0, staging, 0, 16);
    this.submitQueue();
    const [start, end] = new BigUint64Array(mapNow(staging).slice(0));
    for (const used of [staging, stamps, querySet]) used?.destroy();
    // A clock that stands still (some drivers' do) is none.
    if (querySet !== undefined && end! > start!) return Number(end! - start!) / 1e9;
    return (performance.now() - startedAt) / 1000;
  }

  /** One for each kernel, its bindings' names and its constants: compiled when it is first used. */
  #pipelineOf(dispatch: Dispatch): GPUComputePipeline {
    const { kernel, constants = {} } = dispatch;
    const key = `${kernel.name}|${kernel.storage ?? ''}|${Object.keys(dispatch.inputs).join()}|${Object.entries(constants).join()}`;
    const known = this.#pipelines.get(key);
    if (known !== undefined) return known;
    const module = this.device.createShaderModule({ code: shaderOf(dispatch) });
    const pipeline = this.device.createComputePipeline({
      layout: 'auto',
      compute: { module, entryPoint: 'main', constants },
    });
    if (!this.#isTiming) this.traffic.addPipeline();
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }
}

/** The device of this process computes nothing any more; another process gets a new one. */
function lossOf(reason: string): DcnetError {
  return new DcnetError({
    code: 'engine',
    message: `The GPU’s device was lost: ${reason.split('\n', 1)[0]}.`,
    remedy:
      'Resume the run: it goes on from its newest checkpoint. Where it happens again, update the GPU’s driver or use --backend wasm (setting dcnet.backend).',
  });
}

/** A single tensor may be larger than the device takes, however much memory it has: smaller ones fit there, too. */
const tooLarge = /exceeds the max buffer size|larger than the maximum storage buffer binding size/;

function refusalOf(error: GPUError): DcnetError {
  const [reason = ''] = error.message.split('\n', 1);
  if (error instanceof GPUOutOfMemoryError || tooLarge.test(reason))
    return new DcnetError({
      code: 'memory',
      message: `It does not fit into the GPU’s memory: ${reason}`,
      remedy: 'Use smaller images, fewer filters, or --backend wasm, which has the computer’s memory.',
    });
  return new DcnetError({
    code: 'backend',
    message: `The GPU refused a computation: ${error.message}`,
    remedy: 'Use --backend wasm, which runs everywhere.',
  });
}

/** Of tensors of 4-byte values, which all are. */
function bytesOf(tensors: readonly tf.TensorInfo[]): number {
  return tensors.reduce((sum, { shape }) => sum + 4 * tf.util.sizeFromShape(shape), 0);
}

/** What tfjs calls private. */
interface Internals {
  readonly commandEncoder: GPUCommandEncoder;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  readonly pipelineCache: Readonly<Record<string, unknown>>;
  makeUniforms(
    uniforms: readonly { readonly type: 'uint32'; readonly data: readonly [number] }[],
  ): GPUBindingResource;
  tensorToBinding(tensor: tf.TensorInfo): GPUBindingResource;
}

function internals(backend: DawnBackend): Internals {
  return backend as unknown as Internals;
}
