#ifndef DCNET_TILES_H_
#define DCNET_TILES_H_

#include <cstdint>

// Convolutions of 3×3 filters with stride 1, and the gradient of their filters, by minimal filtering F(2×2, 3×3): 16
// multiplications give four values of the output, where their sum takes 36 (Lavin and Gray, Fast Algorithms for
// Convolutional Neural Networks, CVPR 2016, section 4.1). A tile is four by four pixels d of the input:
// y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. What stands in the brackets is, for each of the 16 points, a product of matrices of all
// tiles with all filters.
namespace dcnet {

constexpr int64_t kPoints = 16;

// Sizes of such a convolution: x [images, height, width, channels], y [images, outHeight, outWidth, filters]. Channels and
// filters are multiples of kTiledMultiple.
struct TiledSizes {
  int64_t images, height, width, channels, filters, padTop, padLeft, outHeight, outWidth;

  int64_t perRow() const { return (outWidth + 1) / 2; }
  int64_t perImage() const { return (outHeight + 1) / 2 * perRow(); }
  int64_t tiles() const { return images * perImage(); }
};

constexpr int64_t kTiledMultiple = 16;

// Tiles, from the first, that are computed together.
struct TileBlock {
  int64_t first, count;
};

// Where a convolution has its filters, [3, 3, inputs, outputs] or, for the gradient of its input, [3, 3, outputs, inputs]
// and flipped.
struct TiledFilters {
  const float* w;
  bool backward;
};

// What a convolution does beside: Σ x² of each pixel over its channels into `squares`, where the output has the size of the
// image, and to each pixel of the output `source` times the pixel's factor is added. Null: not done.
struct TileExtras {
  float* squares;
  const float* source;
  const float* factors;
};

// What the kernels of a processor's vectors do. `room` is memory to work in, of finite values.
struct TileKernels {
  // Filters that a panel has.
  int64_t panel;
  // G g Gᵀ of the filters of one panel into `panels` [point, panel, channels, filters of the panel], zeros beyond the last;
  // `room` has roomOfPanel(sizes) floats.
  void (*transformFilters)(const TiledSizes& sizes, const TiledFilters& filters, int64_t panel, float* room,
                           float* panels);
  // y of a block of tiles; `room` has roomOf(sizes, tiles of the block) floats.
  void (*convolve)(const TiledSizes& sizes, const TileBlock& block, const float* x, const float* panels,
                   const TileExtras& extras, float* room, float* y);
  // dU = (Bᵀ d B) ⊙ (A dy Aᵀ) summed over a block's tiles, or that added to `sums` [point, channels, filters up to a panel].
  void (*sumFilterGradient)(const TiledSizes& sizes, const TileBlock& block, const float* x, const float* dy, bool adds,
                            float* room, float* sums);
  // Gᵀ dU G of a channel's filters, dU summed over all parts' sums [parts, point, channels, filters up to a panel].
  void (*finishFilterGradient)(const TiledSizes& sizes, int64_t channel, const float* sums, int64_t parts, float* dw);
};

// Those of this machine's processor.
const TileKernels& tileKernels();

inline int64_t upTo(int64_t multiple, int64_t length) { return (length + multiple - 1) / multiple * multiple; }

// Tiles of a block: their values and products stay in the second-level cache from one step to the next.
int64_t tilesOfBlock(const TiledSizes& sizes);

// Floats to work in for a panel of filters.
int64_t roomOfPanel(const TiledSizes& sizes);

// Floats to work in for blocks of so many tiles.
int64_t roomOf(const TiledSizes& sizes, int64_t tiles);

}  // namespace dcnet

#endif  // DCNET_TILES_H_
