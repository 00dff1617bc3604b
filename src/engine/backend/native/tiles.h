#ifndef DCNET_TILES_H_
#define DCNET_TILES_H_

#include <cstdint>

// Convolutions of 3×3 filters with stride 1, and the gradient of their filters, by minimal filtering F(4×4, 3×3): 36
// multiplications give sixteen values of the output, where their sum takes 144 (Lavin and Gray, Fast Algorithms for
// Convolutional Neural Networks, CVPR 2016, section 4). A tile is six by six pixels d of the input:
// y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. What stands in the brackets is, for each of the 36 points, a product of matrices of all
// tiles with all filters. The transforms interpolate at 0, ±√½, ±√2 and ∞: their factors are smaller than those of the
// usual 0, ±1, ±2 and ∞, and so are the errors of float32 (Barabasz et al., Error Analysis and Improving the Accuracy of
// Winograd Convolution for Deep Neural Networks, 2018, on the choice of points).
namespace dcnet {

constexpr int64_t kPoints = 36;
// Pixels of the output that a tile has in a row.
constexpr int64_t kTileSize = 4;

// Sizes of such a convolution: x [images, height, width, channels], y [images, outHeight, outWidth, filters]. Channels and
// filters are multiples of kTiledMultiple.
struct TiledSizes {
  int64_t images, height, width, channels, filters, padTop, padLeft, outHeight, outWidth;

  int64_t perRow() const { return (outWidth + kTileSize - 1) / kTileSize; }
  int64_t perImage() const { return (outHeight + kTileSize - 1) / kTileSize * perRow(); }
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
  // G g Gᵀ of the filters of one panel into `panels` [point, panel, channels, filters of the panel], zeros beyond the last,
  // panelPlane(sizes, panel) floats a point;
  // `room` has roomOfPanel(sizes) floats.
  void (*transformFilters)(const TiledSizes& sizes, const TiledFilters& filters, int64_t panel, float* room,
                           float* panels);
  // y of a block of tiles; `room` has roomOf(sizes, tiles of the block) floats.
  void (*convolve)(const TiledSizes& sizes, const TileBlock& block, const float* x, const float* panels,
                   const TileExtras& extras, float* room, float* y);
  // dU = (Bᵀ d B) ⊙ (A dy Aᵀ) summed over a block's tiles, or that added to `sums` [channels, point, filters up to a panel].
  void (*sumFilterGradient)(const TiledSizes& sizes, const TileBlock& block, const float* x, const float* dy, bool adds,
                            float* room, float* sums);
  // Gᵀ dU G of a channel's filters, dU summed over all parts' sums [parts, channels, point, filters up to a panel].
  void (*finishFilterGradient)(const TiledSizes& sizes, int64_t channel, const float* sums, int64_t parts, float* dw);
};

// Those of this machine's processor.
const TileKernels& tileKernels();

inline int64_t upTo(int64_t multiple, int64_t length) { return (length + multiple - 1) / multiple * multiple; }

// Tiles of a block: their values and products stay in the second-level cache from one step to the next.
int64_t tilesOfBlock(const TiledSizes& sizes);

// Floats from one point's filters to the next one's.
int64_t panelPlane(const TiledSizes& sizes, int64_t panel);

// Floats to work in for a panel of filters.
int64_t roomOfPanel(const TiledSizes& sizes);

// Floats to work in for blocks of so many tiles.
int64_t roomOf(const TiledSizes& sizes, int64_t tiles);

}  // namespace dcnet

#endif  // DCNET_TILES_H_
