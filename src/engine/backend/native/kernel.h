#ifndef DCNET_KERNEL_H_
#define DCNET_KERNEL_H_

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

// TensorFlow's C interface for operations and their kernels, as C++: errors are exceptions, and what is lent is given
// back. All tensors are float32.
namespace dcnet {

class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  TF_Status* get() const { return status_; }

  void require() const {
    if (TF_GetCode(status_) != TF_OK) throw std::runtime_error(TF_Message(status_));
  }

 private:
  TF_Status* const status_;
};

using Shape = std::vector<int64_t>;

class Tensor {
 public:
  explicit Tensor(TF_Tensor* tensor) : tensor_(tensor) {}
  ~Tensor() { TF_DeleteTensor(tensor_); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  float* data() const { return static_cast<float*>(TF_TensorData(tensor_)); }
  int64_t size() const { return TF_TensorElementCount(tensor_); }
  int64_t dim(int axis) const { return TF_Dim(tensor_, axis); }
  int64_t lastDim() const { return dim(TF_NumDims(tensor_) - 1); }

  Shape shape() const {
    Shape shape(TF_NumDims(tensor_));
    for (size_t axis = 0; axis < shape.size(); axis++) shape[axis] = dim(static_cast<int>(axis));
    return shape;
  }

 private:
  TF_Tensor* const tensor_;
};

// The attributes of an operation, when its kernel is made.
class Attributes {
 public:
  explicit Attributes(TF_OpKernelConstruction* construction) : construction_(construction) {}

  int integer(const char* name) const {
    int32_t value = 0;
    const Status status;
    TF_OpKernelConstruction_GetAttrInt32(construction_, name, &value, status.get());
    status.require();
    return value;
  }

  float real(const char* name) const {
    float value = 0;
    const Status status;
    TF_OpKernelConstruction_GetAttrFloat(construction_, name, &value, status.get());
    status.require();
    return value;
  }

  bool flag(const char* name) const {
    TF_Bool value = 0;
    const Status status;
    TF_OpKernelConstruction_GetAttrBool(construction_, name, &value, status.get());
    status.require();
    return value != 0;
  }

 private:
  TF_OpKernelConstruction* const construction_;
};

// One run of a kernel.
class Run {
 public:
  explicit Run(TF_OpKernelContext* context) : context_(context) {}

  int inputs() const { return TF_NumInputs(context_); }

  Tensor input(int index) const {
    TF_Tensor* tensor = nullptr;
    const Status status;
    TF_GetInput(context_, index, &tensor, status.get());
    status.require();
    return Tensor(tensor);
  }

  // An input as the output: its memory is written over, so nobody else may need its values.
  Tensor overwrite(int input, int output) const {
    TF_Tensor* tensor = nullptr;
    const Status status;
    TF_GetInput(context_, input, &tensor, status.get());
    status.require();
    TF_SetOutput(context_, output, tensor, status.get());
    if (TF_GetCode(status.get()) != TF_OK) TF_DeleteTensor(tensor);
    status.require();
    return Tensor(tensor);
  }

  // A new tensor; its values are whatever the memory held.
  Tensor output(int index, const Shape& shape) const {
    size_t bytes = sizeof(float);
    for (const int64_t length : shape) bytes *= static_cast<size_t>(length);
    const Status status;
    TF_Tensor* const tensor = TF_AllocateOutput(context_, index, TF_FLOAT, shape.data(),
                                                static_cast<int>(shape.size()), bytes, status.get());
    status.require();
    return Tensor(tensor);
  }

 private:
  TF_OpKernelContext* const context_;
};

// What an operation takes and gives, in TensorFlow's notation: `x: float`, `relu: bool`.
struct Signature {
  const char* name;
  std::vector<const char*> inputs;
  std::vector<const char*> outputs;
  std::vector<const char*> attributes;
};

// Register an operation and its kernel for the CPU: a class that is made of `Attributes` and has run(const Run&).
template <class Kernel>
void registerKernel(const Signature& signature) {
  TF_OpDefinitionBuilder* const op = TF_NewOpDefinitionBuilder(signature.name);
  for (const char* attribute : signature.attributes) TF_OpDefinitionBuilderAddAttr(op, attribute);
  for (const char* input : signature.inputs) TF_OpDefinitionBuilderAddInput(op, input);
  for (const char* output : signature.outputs) TF_OpDefinitionBuilderAddOutput(op, output);
  const Status status;
  TF_RegisterOpDefinition(op, status.get());
  status.require();

  const auto create = [](TF_OpKernelConstruction* construction) -> void* {
    try {
      return new Kernel(Attributes(construction));
    } catch (const std::exception& error) {
      const Status failed;
      TF_SetStatus(failed.get(), TF_INVALID_ARGUMENT, error.what());
      TF_OpKernelConstruction_Failure(construction, failed.get());
      return nullptr;
    }
  };
  const auto compute = [](void* kernel, TF_OpKernelContext* context) {
    try {
      static_cast<const Kernel*>(kernel)->run(Run(context));
    } catch (const std::exception& error) {
      const Status failed;
      TF_SetStatus(failed.get(), TF_INVALID_ARGUMENT, error.what());
      TF_OpKernelContext_Failure(context, failed.get());
    }
  };
  const auto destroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  TF_RegisterKernelBuilder(signature.name,
                           TF_NewKernelBuilder(signature.name, "CPU", create, compute, destroy), status.get());
  status.require();
}

inline void require(bool holds, const std::string& message) {
  if (!holds) throw std::invalid_argument(message);
}

}  // namespace dcnet

#endif  // DCNET_KERNEL_H_
