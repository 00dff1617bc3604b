#include "kernel.h"
#include "normalization.h"
#include "operations.h"
#include "product.h"

namespace dcnet {
namespace {

// The product's value, computed where it is first read.
struct Computed {
  Forward forward;

  const float* rows(int64_t begin, int64_t end) const {
    multiply(forward, begin, end);
    return again(begin);
  }
  const float* again(int64_t begin) const { return forward.out + begin * forward.filters; }
};

// Takes the gradient of the product's value on to the projection, the norms and the parameters.
struct PassedOn {
  Backward backward;
  std::vector<float>& byParameters;  // [parts, dR and dk, filters]

  float* room(int64_t, float* room) const { return room; }

  void take(int64_t part, int64_t begin, int64_t end, const float* gradient) const {
    Backward block = backward;
    block.projection += begin * block.filters;
    block.norms += begin;
    block.dy = gradient;
    block.byProjection += begin * block.filters;
    block.byNorms += begin;
    float* const byRadius = &byParameters[part * 2 * block.filters];
    multiplyBack(block, 0, end - begin, byRadius, byRadius + block.filters);
  }
};

int parametersOf(const Functions& functions) { return functions.hasRadius() + functions.hasK(); }

Computed computed(const Functions& functions, const Table& table, const Tensor& projection, const Tensor& norms,
                  const Tensor& product) {
  const int64_t filters = projection.lastDim();
  require(projection.size() == norms.size() * filters, "Each patch has one norm.");
  return {Forward{functions, table, filters, projection.data(), norms.data(), product.data()}};
}

// The product, and of its channels x·slope + shift, cut at 0 if `relu`. Inputs: projection, norms, slope, shift, then the
// parameters.
class AffineProduct {
 public:
  explicit AffineProduct(const Attributes& attributes) : functions_(attributes), relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor projection = run.input(0);
    const Tensor norms = run.input(1);
    const Tensor slope = run.input(2);
    const Tensor shift = run.input(3);
    const int64_t filters = projection.lastDim();
    require(slope.size() == filters && shift.size() == filters, "Each filter has a slope and a shift.");
    const Table table(run, 4, functions_, filters);
    const Tensor out = run.output(0, projection.shape());
    const Computed source = computed(functions_, table, projection, norms, out);
    affineOf(
        Rows(projection), [&](int64_t begin, int64_t end) { return source.rows(begin, end); },
        Affine{slope.data(), shift.data(), filters, relu_}, out.data());
  }

 private:
  const Functions functions_;
  const bool relu_;
};

// Batch normalisation of the product. Inputs: projection, norms, γ, β, then the parameters. Outputs: y, mean, variance,
// 1/σ, and the product itself.
class NormalizedProduct {
 public:
  explicit NormalizedProduct(const Attributes& attributes)
      : functions_(attributes), epsilon_(attributes.real("epsilon")), relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor projection = run.input(0);
    const Tensor norms = run.input(1);
    const Table table(run, 4, functions_, projection.lastDim());
    const Tensor product = run.output(4, projection.shape());
    normalize(run, projection.shape(), computed(functions_, table, projection, norms, product), 2, epsilon_, relu_);
  }

 private:
  const Functions functions_;
  const float epsilon_;
  const bool relu_;
};

// Inputs: projection, norms, product, y, dy, γ, mean, 1/σ, then the parameters. Outputs: to projection, norms, γ, β and the
// parameters.
class NormalizedProductGradient {
 public:
  explicit NormalizedProductGradient(const Attributes& attributes)
      : functions_(attributes), relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor projection = run.input(0);
    const Tensor norms = run.input(1);
    const int64_t filters = projection.lastDim();
    const Tensor product = run.input(2);
    require(product.size() == projection.size(), "The product is of the projection's size.");
    const Table table(run, 8, functions_, filters);
    const Tensor byProjection = run.output(0, projection.shape());
    const Tensor byNorms = run.output(1, norms.shape());
    std::vector<float> sums(Rows(projection).parts * 2 * filters);
    const Backward backward{functions_, table,   filters, projection.data(),
                            norms.data(), nullptr, byProjection.data(), byNorms.data()};
    normalizeBack(run, {2, 3}, product.data(), PassedOn{backward, sums}, relu_);
    writeParameterGradients(run, 4, 8, functions_, sums, filters);
  }

 private:
  const Functions functions_;
  const bool relu_;
};

}  // namespace

void registerNormalizedProduct() {
  const auto with = [](std::vector<const char*> more) {
    for (const char* name : {"magnitude: int", "angular: int", "alpha: float", "beta: float", "exponent: float",
                             "count: int >= 0", "relu: bool"})
      more.push_back(name);
    return more;
  };
  registerKernel<AffineProduct>(
      {"DcnetAffineProduct",
       {"projection: float", "norms: float", "slope: float", "shift: float", "parameters: count * float"},
       {"y: float"},
       with({})});
  registerKernel<NormalizedProduct>(
      {"DcnetNormalizedProduct",
       {"projection: float", "norms: float", "gamma: float", "offset: float", "parameters: count * float"},
       {"y: float", "mean: float", "variance: float", "inverse: float", "product: float"},
       with({"epsilon: float"})});
  registerKernel<NormalizedProductGradient>(
      {"DcnetNormalizedProductGradient",
       {"projection: float", "norms: float", "product: float", "y: float", "dy: float", "gamma: float", "mean: float",
        "inverse: float",
        "parameters: count * float"},
       {"by_projection: float", "by_norms: float", "by_gamma: float", "by_beta: float", "by_parameters: count * float"},
       with({})});
}

}  // namespace dcnet
