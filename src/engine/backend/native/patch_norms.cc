#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"

namespace dcnet {
namespace {

constexpr float kTiny = 1e-30f;

// How a square window is moved over the images.
struct Window {
  int64_t kernel, stride, padTop, padLeft, outHeight, outWidth;

  explicit Window(const Attributes& attributes)
      : kernel(attributes.integer("kernel")),
        stride(attributes.integer("stride")),
        padTop(attributes.integer("pad_top")),
        padLeft(attributes.integer("pad_left")),
        outHeight(attributes.integer("out_height")),
        outWidth(attributes.integer("out_width")) {}
};

// One image [height, width, channels] under its window.
struct Image {
  const Window& window;
  int64_t height, width, channels;

  Image(const Window& moved, const Tensor& x)
      : window(moved), height(x.dim(1)), width(x.dim(2)), channels(x.dim(3)) {}

  int64_t pixels() const { return height * width; }
  int64_t patches() const { return window.outHeight * window.outWidth; }
  // Cells of a row with its padding: all that the windows over it touch.
  int64_t paddedWidth() const {
    return std::max(window.padLeft + width, (window.outWidth - 1) * window.stride + window.kernel);
  }
  // Rows of the image that the windows of an output row lie over.
  int64_t firstRow(int64_t y) const { return std::max<int64_t>(y * window.stride - window.padTop, 0); }
  int64_t endRow(int64_t y) const { return std::min(y * window.stride - window.padTop + window.kernel, height); }
};

// √(Σ x² + ε) of an image's patches: squares summed over channels, then over the rows of the window, then along the row.
// `squares` [height, width] and `columns` [padded width] are room to work in.
DCNET_VECTORISED void measure(const Image& image, float epsilon, const float* x, float* squares, float* columns,
                              float* out) {
  const int64_t channels = image.channels;
  const int64_t width = image.width;
  for (int64_t pixel = 0; pixel < image.pixels(); pixel++) {
    const float* const from = x + pixel * channels;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < channels; c++) sum += from[c] * from[c];
    squares[pixel] = sum;
  }
  std::fill_n(columns, image.paddedWidth(), 0.f);
  float* const inside = columns + image.window.padLeft;
  for (int64_t y = 0; y < image.window.outHeight; y++) {
    std::fill_n(inside, width, 0.f);
    for (int64_t row = image.firstRow(y); row < image.endRow(y); row++) {
      const float* const from = squares + row * width;
      for (int64_t c = 0; c < width; c++) inside[c] += from[c];
    }
    float* const to = out + y * image.window.outWidth;
    for (int64_t position = 0; position < image.window.outWidth; position++) {
      float sum = epsilon;
      for (int64_t k = 0; k < image.window.kernel; k++) sum += columns[position * image.window.stride + k];
      to[position] = std::sqrt(sum);
    }
  }
}

// boxᵀ(dn/n) of an image into `spread` [height, width].
DCNET_VECTORISED void spreadShares(const Image& image, const float* norms, const float* dn, float* spread,
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

class PatchNorms {
 public:
  explicit PatchNorms(const Attributes& attributes) : window_(attributes), epsilon_(attributes.real("epsilon")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Image image(window_, x);
    const int64_t images = x.dim(0);
    const Tensor out = run.output(0, {images, window_.outHeight, window_.outWidth, 1});
    inParallel(images, [&](int64_t i) {
      std::vector<float> room(image.pixels() + image.paddedWidth());
      measure(image, epsilon_, x.data() + i * image.pixels() * image.channels, room.data(),
              room.data() + image.pixels(), out.data() + i * image.patches());
    });
  }

 private:
  const Window window_;
  const float epsilon_;
};

// dx, or, where there is a fourth input, that with dx added to it: in its own memory, which becomes the output's.
class PatchNormsGradient {
 public:
  explicit PatchNormsGradient(const Attributes& attributes) : window_(attributes) {}

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
      spreadShares(image, norms.data() + i * image.patches(), dn.data() + i * image.patches(), room.data(),
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
