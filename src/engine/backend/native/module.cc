#include <exception>

#include "node_api.h"
#include "operations.h"

// The Node module: loading it registers our operations with the TensorFlow that this process has loaded.
NAPI_MODULE_INIT() {
  static bool isRegistered = false;
  try {
    if (!isRegistered) {
      dcnet::registerAdam();
      dcnet::registerAverages();
      dcnet::registerBatchNormalization();
      dcnet::registerConvolution();
      dcnet::registerFilters();
      dcnet::registerMaxPoolGradient();
      dcnet::registerNormalizedProduct();
      dcnet::registerPatchNorms();
      dcnet::registerProduct();
      isRegistered = true;
    }
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
  napi_value version;
  if (napi_create_string_utf8(env, DCNET_OPS_VERSION, NAPI_AUTO_LENGTH, &version) == napi_ok)
    napi_set_named_property(env, exports, "version", version);
  return exports;
}
