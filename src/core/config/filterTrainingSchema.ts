import * as z from 'zod';
import { positiveInteger } from './integerSchema.js';

/** How decoupled filters are trained: fields of the config itself. None touches plain filters, ρ or k. */
export const filterTrainingFields = {
  projection: z
    .strictObject({
      every: positiveInteger.describe('Steps between projections.'),
      scale: z
        .number()
        .positive()
        .max(1e6)
        .optional()
        .describe('The length that filters are given. Default 1, the authors’.'),
    })
    .optional()
    .describe(
      'Weight projection: every so many steps w ← scale·w/√(‖w‖²+1e-4) for decoupled filters. Left out: none.',
    ),
  filterGradients: z
    .enum(['standard', 'weighted'])
    .optional()
    .describe(
      'Gradients of decoupled filters: standard ∂f/∂w, or weighted ‖w‖·∂f/∂w, which undoes their fall with the filter’s length. The paper tells of weighted gradients; this formula of them is not confirmed. Default standard.',
    ),
  orthogonality: z
    .number()
    .nonnegative()
    .max(1e3)
    .optional()
    .describe(
      'Soft orthogonality λ·½‖ŴᵀŴ − I‖² of each decoupled layer’s filters at length 1, added to the loss’s gradients. The authors use 1e-5. Default 0.',
    ),
  hypersphericalEnergy: z
    .number()
    .nonnegative()
    .max(1e3)
    .optional()
    .describe(
      'Minimum hyperspherical energy (MHE): λ times the mean of 1/(‖ŵᵢ − ŵⱼ‖² + 1e-3) over the pairs of filters of each decoupled layer, added to the loss’s gradients. It spreads their directions; the 1e-3 keeps the push between filters that coincide finite. Default 0.',
    ),
};
