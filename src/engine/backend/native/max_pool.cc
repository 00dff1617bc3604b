#include <algorithm>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"

namespace dcnet {
namespace {

struct Window {
  int64_t height, width, strideHeight, strideWidth, padTop, padLeft;
};

// One image: x and dx [height, width, channels], y and dy [outHeight, outWidth, channels].
struct Image {
  int64_t height, width, outHeight, outWidth, channels;
  const float *x, *y, *dy;
  float* dx;
};

// dy of a window goes to the first of its largest values, in reading order. `open` [channels] is room to work in: dy
// while no such value was met, then 0.
DCNET_VECTORISED void gradientOf(const Window& window, const Image& image, float* open) {
  const int64_t channels = image.channels;
  std::fill_n(image.dx, image.height * image.width * channels, 0.f);
  for (int64_t row = 0; row < image.outHeight; row++) {
    const int64_t start = row * window.strideHeight - window.padTop;
    const int64_t bottom = std::min(start + window.height, image.height);
    for (int64_t column = 0; column < image.outWidth; column++) {
      const int64_t begin = column * window.strideWidth - window.padLeft;
      const int64_t right = std::min(begin + window.width, image.width);
      const int64_t from = (row * image.outWidth + column) * channels;
      const float* const largest = image.y + from;
      std::copy_n(image.dy + from, channels, open);
      for (int64_t y = std::max<int64_t>(start, 0); y < bottom; y++)
        for (int64_t x = std::max<int64_t>(begin, 0); x < right; x++) {
          const int64_t at = (y * image.width + x) * channels;
          const float* const value = image.x + at;
          float* const to = image.dx + at;
#pragma omp simd
          for (int64_t c = 0; c < channels; c++) {
            const float left = open[c];
            const bool isLargest = value[c] == largest[c];
            to[c] += isLargest ? left : 0.f;
            open[c] = isLargest ? 0.f : left;
          }
        }
    }
  }
}

class MaxPoolGradient {
 public:
  explicit MaxPoolGradient(const Attributes& attributes)
      : window_{attributes.integer("height"),        attributes.integer("width"),
                attributes.integer("stride_height"), attributes.integer("stride_width"),
                attributes.integer("pad_top"),       attributes.integer("pad_left")} {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor y = run.input(1);
    const Tensor dy = run.input(2);
    require(dy.size() == y.size() && y.dim(0) == x.dim(0) && y.dim(3) == x.dim(3), "y and dy are of x pooled.");
    const Tensor dx = run.output(0, x.shape());
    const int64_t inside = x.dim(1) * x.dim(2) * x.dim(3);
    const int64_t outside = y.dim(1) * y.dim(2) * y.dim(3);
    inParallel(x.dim(0), [&](int64_t i) {
      const Image image{x.dim(1),
                        x.dim(2),
                        y.dim(1),
                        y.dim(2),
                        x.dim(3),
                        x.data() + i * inside,
                        y.data() + i * outside,
                        dy.data() + i * outside,
                        dx.data() + i * inside};
      std::vector<float> open(image.channels);
      gradientOf(window_, image, open.data());
    });
  }

 private:
  const Window window_;
};

}  // namespace

void registerMaxPoolGradient() {
  registerKernel<MaxPoolGradient>(
      {"DcnetMaxPoolGradient",
       {"x: float", "y: float", "dy: float"},
       {"dx: float"},
       {"height: int", "width: int", "stride_height: int", "stride_width: int", "pad_top: int", "pad_left: int"}});
}

}  // namespace dcnet
