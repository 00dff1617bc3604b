#ifndef DCNET_PATCHES_H_
#define DCNET_PATCHES_H_

#include <algorithm>

#include "kernel.h"

namespace dcnet {

// How a square window is moved over the images.
struct Window {
  int64_t kernel, stride, padTop, padLeft, outHeight, outWidth;
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

// √(Σ + ε) of an image's patches, [outHeight, outWidth]. `squares` [height, width]: Σ x² of each pixel.
void normsOf(const Image& image, float epsilon, const float* squares, float* norms);

// boxᵀ(dn/n) of an image into `spread` [height, width]: dL/dx = x·spread.
void spreadShares(const Image& image, const float* norms, const float* dn, float* spread);

}  // namespace dcnet

#endif  // DCNET_PATCHES_H_
