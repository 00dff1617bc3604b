#include <algorithm>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"
#include "patches.h"
#include "room.h"
#include "tiles.h"

namespace dcnet {
namespace {

TileBlock blockAt(const TiledSizes& sizes, int64_t index, int64_t perBlock) {
  const int64_t first = index * perBlock;
  return {first, std::min(perBlock, sizes.tiles() - first)};
}

void requireMultiples(const TiledSizes& sizes) {
  require(sizes.channels % kTiledMultiple == 0 && sizes.filters % kTiledMultiple == 0,
          "Channels and filters are multiples of 16.");
}

void requireFit(const TiledSizes& sizes, const Tensor& w) {
  requireMultiples(sizes);
  require(w.size() == 9 * sizes.channels * sizes.filters, "Filters are of the image's channels.");
}

TiledSizes sameSize(const Tensor& x, int64_t filters) {
  return {x.dim(0), x.dim(1), x.dim(2), x.dim(3), filters, 1, 1, x.dim(1), x.dim(2)};
}

Window windowOf(const TiledSizes& sizes) {
  return {3, 1, sizes.padTop, sizes.padLeft, sizes.outHeight, sizes.outWidth};
}

struct Padding {
  int64_t top, left;

  explicit Padding(const Attributes& attributes)
      : top(attributes.integer("pad_top")), left(attributes.integer("pad_left")) {}
};

// y [images, outHeight, outWidth, filters] of x. `backward`: w [3, 3, filters, channels] is flipped.
void convolve(const TiledSizes& sizes, const TiledFilters& filters, const float* x, const TileExtras& extras, float* y) {
  const TileKernels& kernels = tileKernels();
  const int64_t width = upTo(kernels.panel, sizes.filters);
  float* const panels = roomOfThread<Use::kPanels>(kPoints * panelPlane(sizes, kernels.panel));
  inParallel(width / kernels.panel, [&](int64_t panel) {
    kernels.transformFilters(sizes, filters, panel, roomOfThread<Use::kBlock>(roomOfPanel(sizes)), panels);
  });
  const int64_t perBlock = tilesOfBlock(sizes);
  inParallel(partsOf(sizes.tiles(), perBlock), [&](int64_t part) {
    kernels.convolve(sizes, blockAt(sizes, part, perBlock), x, panels, extras,
                     roomOfThread<Use::kBlock>(roomOf(sizes, perBlock)), y);
  });
}

// Inputs: x, w [3, 3, channels, filters]. `backward`: of dy to dx, w's channels being the filters.
class Convolution {
 public:
  explicit Convolution(const Attributes& attributes)
      : padding_(attributes),
        outHeight_(attributes.integer("out_height")),
        outWidth_(attributes.integer("out_width")),
        backward_(attributes.flag("backward")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor w = run.input(1);
    const int64_t filters = w.dim(backward_ ? 2 : 3);
    const TiledSizes sizes{x.dim(0),     x.dim(1),      x.dim(2),   x.dim(3), filters,
                           padding_.top, padding_.left, outHeight_, outWidth_};
    requireFit(sizes, w);
    const Tensor y = run.output(0, {sizes.images, outHeight_, outWidth_, filters});
    convolve(sizes, {w.data(), backward_}, x.data(), TileExtras{}, y.data());
  }

 private:
  const Padding padding_;
  const int64_t outHeight_, outWidth_;
  const bool backward_;
};

// A convolution that keeps the image's size, and the norms of its patches. Inputs: x, w.
class ProjectionAndNorms {
 public:
  explicit ProjectionAndNorms(const Attributes& attributes) : epsilon_(attributes.real("epsilon")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor w = run.input(1);
    const TiledSizes sizes = sameSize(x, w.dim(3));
    requireFit(sizes, w);
    const Tensor y = run.output(0, {sizes.images, sizes.height, sizes.width, sizes.filters});
    const Tensor norms = run.output(1, {sizes.images, sizes.height, sizes.width, 1});
    const auto squares = roomFor(norms.size());
    convolve(sizes, {w.data(), false}, x.data(), TileExtras{squares.get(), nullptr, nullptr}, y.data());
    const Window window = windowOf(sizes);
    const Image image(window, x);
    inParallel(sizes.images, [&](int64_t i) {
      normsOf(image, epsilon_, squares.get() + i * image.pixels(), norms.data() + i * image.patches());
    });
  }

 private:
  const float epsilon_;
};

// Its gradient to x, by both. Inputs: dy, w, x, norms, dn.
class ProjectionAndNormsGradient {
 public:
  explicit ProjectionAndNormsGradient(const Attributes&) {}

  void run(const Run& run) const {
    const Tensor dy = run.input(0);
    const Tensor w = run.input(1);
    const Tensor x = run.input(2);
    const Tensor norms = run.input(3);
    const Tensor dn = run.input(4);
    const TiledSizes sizes = sameSize(dy, w.dim(2));
    requireFit(sizes, w);
    const Window window = windowOf(sizes);
    const Image image(window, x);
    require(norms.size() == sizes.images * image.patches() && dn.size() == norms.size(), "Each patch has one norm.");
    require(x.size() == norms.size() * sizes.filters, "Each pixel has one patch.");
    const Tensor dx = run.output(0, x.shape());
    const auto spread = roomFor(norms.size());
    inParallel(sizes.images, [&](int64_t i) {
      const int64_t at = i * image.pixels();
      spreadShares(image, norms.data() + at, dn.data() + at, spread.get() + at);
    });
    convolve(sizes, {w.data(), true}, dy.data(), TileExtras{nullptr, x.data(), spread.get()}, dx.data());
  }
};

// dL/dw of a convolution with 3×3 filters. Inputs: x, dy.
class FilterGradient {
 public:
  explicit FilterGradient(const Attributes& attributes) : padding_(attributes) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor dy = run.input(1);
    const TiledSizes sizes{x.dim(0),     x.dim(1),      x.dim(2),  x.dim(3), dy.dim(3),
                           padding_.top, padding_.left, dy.dim(1), dy.dim(2)};
    requireMultiples(sizes);
    require(dy.dim(0) == sizes.images, "Each image has a gradient.");
    const Tensor dw = run.output(0, {3, 3, sizes.channels, sizes.filters});
    const TileKernels& kernels = tileKernels();
    const int64_t pitch = upTo(kernels.panel, sizes.filters);
    const int64_t perBlock = tilesOfBlock(sizes);
    const int64_t blocks = partsOf(sizes.tiles(), perBlock);
    // Each part has sums of its own: few enough that adding them up costs little beside the products.
    const int64_t perPart = std::max<int64_t>(partsOf(blocks, kMostParts), partsOf(kFewestTiles, perBlock));
    const int64_t parts = partsOf(blocks, perPart);
    const int64_t size = kPoints * sizes.channels * pitch;
    float* const sums = roomOfThread<Use::kSums>(parts * size);
    inParallel(parts, [&](int64_t part) {
      float* const room = roomOfThread<Use::kBlock>(roomOf(sizes, perBlock));
      const int64_t first = part * perPart;
      for (int64_t index = first; index < std::min(blocks, first + perPart); index++)
        kernels.sumFilterGradient(sizes, blockAt(sizes, index, perBlock), x.data(), dy.data(), index > first, room,
                                  sums + part * size);
    });
    inParallel(sizes.channels / kTiledMultiple, [&](int64_t part) {
      for (int64_t c = part * kTiledMultiple; c < (part + 1) * kTiledMultiple; c++)
        kernels.finishFilterGradient(sizes, c, sums, parts, dw.data());
    });
  }

 private:
  static constexpr int64_t kMostParts = 16;
  static constexpr int64_t kFewestTiles = 128;
  const Padding padding_;
};

}  // namespace

void registerConvolution() {
  registerKernel<Convolution>(
      {"DcnetConvolution",
       {"x: float", "w: float"},
       {"y: float"},
       {"pad_top: int", "pad_left: int", "out_height: int", "out_width: int", "backward: bool"}});
  registerKernel<ProjectionAndNorms>({"DcnetProjectionAndNorms",
                                      {"x: float", "w: float"},
                                      {"y: float", "norms: float"},
                                      {"epsilon: float"}});
  registerKernel<ProjectionAndNormsGradient>(
      {"DcnetProjectionAndNormsGradient",
       {"dy: float", "w: float", "x: float", "norms: float", "dn: float"},
       {"dx: float"},
       {}});
  registerKernel<FilterGradient>(
      {"DcnetFilterGradient", {"x: float", "dy: float"}, {"dw: float"}, {"pad_top: int", "pad_left: int"}});
}

}  // namespace dcnet
