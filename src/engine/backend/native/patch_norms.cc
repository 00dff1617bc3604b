#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"
#include "patches.h"

namespace dcnet {
namespace {

constexpr float kTiny = 1e-30f;

// Σ x² of each pixel over its channels.
DCNET_VECTORISED void squarePixels(const Image& image, const float* x, float* squares) {
  const int64_t channels = image.channels;
  for (int64_t pixel = 0; pixel < image.pixels(); pixel++) {
    const float* const from = x + pixel * channels;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < channels; c++) sum += from[c] * from[c];
    squares[pixel] = sum;
  }
}

// √(Σ + ε) of the squares of a patch: summed over the rows of the window, then along the row.
DCNET_VECTORISED void rootPatches(const Image& image, float epsilon, const float* squares, float* columns, float* norms) {
  const int64_t width = image.width;
  std::fill_n(columns, image.paddedWidth(), 0.f);
  float* const inside = columns + image.window.padLeft;
  for (int64_t y = 0; y < image.window.outHeight; y++) {
    std::fill_n(inside, width, 0.f);
    for (int64_t row = image.firstRow(y); row < image.endRow(y); row++) {
      const float* const from = squares + row * width;
      for (int64_t c = 0; c < width; c++) inside[c] += from[c];
    }
    float* const to = norms + y * image.window.outWidth;
    for (int64_t position = 0; position < image.window.outWidth; position++) {
      float sum = epsilon;
      for (int64_t k = 0; k < image.window.kernel; k++) sum += columns[position * image.window.stride + k];
      to[position] = std::sqrt(sum);
    }
  }
}

// boxᵀ(dn/n).
DCNET_VECTORISED void spreadPatches(const Image& image, const float* norms, const float* dn, float* spread,
                                   float* columns) {
  const int64_t width = image.width;
  const float* const inside = columns + image.window.padLeft;
  std::fill_n(spread, image.pixels(), 0.f);
  for (int64_t y = 0; y < image.window.outHeight; y++) {
    const int64_t from = y * image.window.outWidth;
    std::fill_n(columns, image.paddedWidth(), 0.f);
    for (int64_t position = 0; position < image.window.outWidth; position++) {
      const float share = dn[from + position] / std::max(norms[from + position], kTiny);
      for (int64_t k = 0; k < image.window.kernel; k++) columns[position * image.window.stride + k] += share;
    }
    for (int64_t row = image.firstRow(y); row < image.endRow(y); row++) {
      float* const to = spread + row * width;
      for (int64_t c = 0; c < width; c++) to[c] += inside[c];
    }
  }
}

// sum += x·factor, one factor a pixel.
DCNET_VECTORISED void addScaledPixels(int64_t pixels, int64_t channels, const float* x, const float* factors,
                                      float* sum) {
  for (int64_t pixel = 0; pixel < pixels; pixel++) {
    const float factor = factors[pixel];
    const float* const from = x + pixel * channels;
    float* const to = sum + pixel * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) to[c] += from[c] * factor;
  }
}

// out = x·factor, one factor a pixel.
DCNET_VECTORISED void scalePixels(int64_t pixels, int64_t channels, const float* x, const float* factors, float* out) {
  for (int64_t pixel = 0; pixel < pixels; pixel++) {
    const float factor = factors[pixel];
    const float* const from = x + pixel * channels;
    float* const to = out + pixel * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) to[c] = from[c] * factor;
  }
}

Window windowOf(const Attributes& attributes) {
  return {attributes.integer("kernel"),   attributes.integer("stride"),     attributes.integer("pad_top"),
          attributes.integer("pad_left"), attributes.integer("out_height"), attributes.integer("out_width")};
}

class PatchNorms {
 public:
  explicit PatchNorms(const Attributes& attributes) : window_(windowOf(attributes)), epsilon_(attributes.real("epsilon")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Image image(window_, x);
    const int64_t images = x.dim(0);
    const Tensor out = run.output(0, {images, window_.outHeight, window_.outWidth, 1});
    inParallel(images, [&](int64_t i) {
      std::vector<float> room(image.pixels() + image.paddedWidth());
      squarePixels(image, x.data() + i * image.pixels() * image.channels, room.data());
      rootPatches(image, epsilon_, room.data(), room.data() + image.pixels(), out.data() + i * image.patches());
    });
  }

 private:
  const Window window_;
  const float epsilon_;
};

// dx, or, where there is a fourth input, that with dx added to it: in its own memory, which becomes the output's.
class PatchNormsGradient {
 public:
  explicit PatchNormsGradient(const Attributes& attributes) : window_(windowOf(attributes)) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor norms = run.input(1);
    const Tensor dn = run.input(2);
    const Image image(window_, x);
    const int64_t images = x.dim(0);
    require(norms.size() == images * image.patches() && dn.size() == norms.size(), "Each patch has one norm.");
    const bool adds = run.inputs() == 4;
    const Tensor dx = adds ? run.overwrite(3, 0) : run.output(0, x.shape());
    require(dx.size() == x.size(), "What dx is added to is of its size.");
    inParallel(images, [&](int64_t i) {
      std::vector<float> room(image.pixels() + image.paddedWidth());
      spreadPatches(image, norms.data() + i * image.patches(), dn.data() + i * image.patches(), room.data(),
                    room.data() + image.pixels());
      const int64_t at = i * image.pixels() * image.channels;
      (adds ? addScaledPixels : scalePixels)(image.pixels(), image.channels, x.data() + at, room.data(),
                                             dx.data() + at);
    });
  }

 private:
  const Window window_;
};

}  // namespace

void normsOf(const Image& image, float epsilon, const float* squares, float* norms) {
  std::vector<float> columns(image.paddedWidth());
  rootPatches(image, epsilon, squares, columns.data(), norms);
}

void spreadShares(const Image& image, const float* norms, const float* dn, float* spread) {
  std::vector<float> columns(image.paddedWidth());
  spreadPatches(image, norms, dn, spread, columns.data());
}

void registerPatchNorms() {
  std::vector<const char*> attributes{"kernel: int",   "stride: int",     "pad_top: int",
                                      "pad_left: int", "out_height: int", "out_width: int"};
  std::vector<const char*> gradientAttributes = attributes;
  gradientAttributes.push_back("count: int >= 0");
  registerKernel<PatchNormsGradient>(
      {"DcnetPatchNormsGradient",
       {"x: float", "norms: float", "dn: float", "sum: count * float"},
       {"dx: float"},
       gradientAttributes});
  attributes.push_back("epsilon: float");
  registerKernel<PatchNorms>({"DcnetPatchNorms", {"x: float"}, {"norms: float"}, attributes});
}

}  // namespace dcnet
