// In: nothing. Out: what other packages may use of the engine.
export { type GraphMemory, graphMemory } from './compile/scratch.ts';
export { EngineError } from './errors.ts';
export type { ResidualPolicy } from './grad/split.ts';
export type { Graph } from './graph/node.ts';
export {
  type LayerGradients,
  layerCached,
  layerForward,
  layerTraining,
  type MaskKind,
} from './nn/decoder-layer.ts';
export { doraNorms, doraProjections, doraSquares } from './nn/dora.ts';
export { type ExpertSpec, expertForward, expertTraining } from './nn/expert.ts';
export { headBest, headFused, headLogits, headNorm, headSum, headTrained } from './nn/head.ts';
export {
  type LayerSpec,
  layerParameters,
  loraParameters,
  projectionParameters,
} from './nn/layer-spec.ts';
export { sgemmGraph } from './nn/sgemm.ts';
export { adafactorRule } from './optim/adafactor.ts';
export { adamMiniRule } from './optim/adam-mini.ts';
export { adamwRule } from './optim/adamw.ts';
export { adamw8BitRule, MIN_8BIT_SIZE } from './optim/adamw-8bit.ts';
export { apolloRule } from './optim/apollo.ts';
export { badamRule } from './optim/badam.ts';
export { dynamicMap } from './optim/block-codes.ts';
export { classicAdamwRule } from './optim/classic-adamw.ts';
export { clipCoefficient, globalNorm } from './optim/clip.ts';
export { galoreRule } from './optim/galore.ts';
export { lionRule } from './optim/lion.ts';
export type { MatrixProduct } from './optim/matrix.ts';
export { muonRule } from './optim/muon.ts';
export { Optimizer, type ParameterPlan, type UpdateRule } from './optim/optimizer.ts';
export { makeSchedule } from './optim/schedule.ts';
export { sgdRule } from './optim/sgd.ts';
export { leadingVectors } from './optim/singular-vectors.ts';
export { adagradRule, rmspropRule } from './optim/squared-gradients.ts';
export type {
  Accumulator,
  Backend,
  DeviceTraffic,
  Executable,
  HostArray,
  ParameterGroup,
  Tensor,
} from './run/backend.ts';
export { roundedSize } from './run/buffer-pool.ts';
export { matrixProduct } from './run/matrix-product.ts';
export { openBackend } from './run/open-backend.ts';
export { runtimeFolder, runtimeInstaller, runtimeVersion } from './run/ort-runtime.ts';
