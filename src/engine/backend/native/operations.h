#ifndef DCNET_OPERATIONS_H_
#define DCNET_OPERATIONS_H_

namespace dcnet {

// Each makes some operations known to TensorFlow; throws std::exception with TensorFlow's reason.
void registerAdam();
void registerAverages();
void registerBatchNormalization();
void registerConvolution();
void registerFilters();
void registerMaxPoolGradient();
void registerNormalizedProduct();
void registerPatchNorms();
void registerProduct();

}  // namespace dcnet

#endif  // DCNET_OPERATIONS_H_
