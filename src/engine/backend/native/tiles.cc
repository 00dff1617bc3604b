#include "tiles.h"

#include <algorithm>
#include <cstring>

#include "parallel.h"

// Vectors are passed between functions that are compiled into one: no caller has to agree on how.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace dcnet {
namespace {

// The most rows of a product that are summed together.
constexpr int kMostRows = 8;
// Floats behind each point's plane: at a power of two all planes would fall into the same sets of the cache.
constexpr int64_t kPlaneGap = 16;
constexpr int64_t kWidestPanel = 32;
// Pixels of the input that a tile has in a row, and points of one dimension.
constexpr int kSide = 6;
constexpr int kOut = static_cast<int>(kTileSize);

// Vectors of some floats; two of them are a panel's row. Rows of a product are summed together as registers have room for.
struct Vectors16 {
  typedef float Vector __attribute__((vector_size(64)));
  static constexpr int kRows = kMostRows;
};
struct Vectors8 {
  typedef float Vector __attribute__((vector_size(32)));
  static constexpr int kRows = 4;
};
struct Vectors4 {
  typedef float Vector __attribute__((vector_size(16)));
  static constexpr int kRows = 4;
};

int64_t planeOf(int64_t tiles, int64_t pitch) { return upTo(kMostRows, tiles) * pitch + kPlaneGap; }

struct Place {
  int64_t image, row, column;  // of the tile's first pixel of the output

  Place(const TiledSizes& sizes, int64_t tile)
      : image(tile / sizes.perImage()),
        row(tile % sizes.perImage() / sizes.perRow() * kTileSize),
        column(tile % sizes.perRow() * kTileSize) {}
};

// Where the 6×6 pixels of a tile lie; `zeros`, one pixel of them, stands for those beyond the image's edge.
struct Pixels {
  const float* at[kSide][kSide];

  DCNET_INLINE Pixels(const TiledSizes& sizes, const Place& place, const float* x, const float* zeros) {
    const float* const image = x + place.image * sizes.height * sizes.width * sizes.channels;
    for (int64_t row = 0; row < kSide; row++)
      for (int64_t column = 0; column < kSide; column++) {
        const int64_t y = place.row - sizes.padTop + row;
        const int64_t c = place.column - sizes.padLeft + column;
        const bool isInside = y >= 0 && y < sizes.height && c >= 0 && c < sizes.width;
        at[row][column] = isInside ? image + (y * sizes.width + c) * sizes.channels : zeros;
      }
  }
};

// The transforms of one dimension, at the points 0, √½, −√½, √2, −√2 and ∞.
template <class Vector>
struct Line {
  static constexpr float kHalf = 0.70710678118654752f;  // √½
  static constexpr float kTwo = 1.41421356237309505f;   // √2

  // Bᵀ d of six pixels.
  static DCNET_INLINE void ofPixels(const Vector (&d)[kSide], Vector (&t)[kSide]) {
    t[0] = d[0] - d[2] * 2.5f + d[4];
    putPair(d[4] - d[2] * 2.f, (d[3] - d[1] * 2.f) * kHalf, t[1], t[2]);
    putPair(d[4] - d[2] * .5f, (d[3] - d[1] * .5f) * kTwo, t[3], t[4]);
    t[5] = d[1] - d[3] * 2.5f + d[5];
  }

  // Aᵀ m of six products.
  static DCNET_INLINE void ofProducts(const Vector (&m)[kSide], Vector (&y)[kOut]) {
    const Vector even1 = m[1] + m[2], odd1 = (m[1] - m[2]) * kHalf;
    const Vector even2 = m[3] + m[4], odd2 = (m[3] - m[4]) * kTwo;
    y[0] = m[0] + even1 + even2;
    y[1] = odd1 + odd2;
    y[2] = even1 * .5f + even2 * 2.f;
    y[3] = odd1 * .5f + odd2 * 2.f + m[5];
  }

  // A dy of four pixels of the output.
  static DCNET_INLINE void ofUpstreams(const Vector (&dy)[kOut], Vector (&t)[kSide]) {
    t[0] = dy[0];
    putPair(dy[0] + dy[2] * .5f, (dy[1] + dy[3] * .5f) * kHalf, t[1], t[2]);
    putPair(dy[0] + dy[2] * 2.f, (dy[1] + dy[3] * 2.f) * kTwo, t[3], t[4]);
    t[5] = dy[3];
  }

  // G g of three weights.
  static DCNET_INLINE void ofWeights(const Vector (&g)[3], Vector (&t)[kSide]) {
    t[0] = g[0];
    putPair((g[0] + g[2] * .5f) * (-2.f / 3), g[1] * (-2.f / 3 * kHalf), t[1], t[2]);
    putPair((g[0] + g[2] * 2.f) * (1.f / 6), g[1] * (1.f / 6 * kTwo), t[3], t[4]);
    t[5] = g[2];
  }

  // Gᵀ u of six sums.
  static DCNET_INLINE void ofSums(const Vector (&u)[kSide], Vector (&g)[3]) {
    const Vector even1 = (u[1] + u[2]) * (-2.f / 3), odd1 = (u[1] - u[2]) * (-2.f / 3 * kHalf);
    const Vector even2 = (u[3] + u[4]) * (1.f / 6), odd2 = (u[3] - u[4]) * (1.f / 6 * kTwo);
    g[0] = u[0] + even1 + even2;
    g[1] = odd1 + odd2;
    g[2] = even1 * .5f + even2 * 2.f + u[5];
  }

 private:
  static DCNET_INLINE void putPair(const Vector& even, const Vector& odd, Vector& sum, Vector& difference) {
    sum = even + odd;
    difference = even - odd;
  }
};

template <class Vectors>
struct Tiles {
  typedef typename Vectors::Vector Vector;
  typedef Line<Vector> Line1;
  static constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  static constexpr int64_t kPanel = 2 * kLanes;
  static constexpr int kRows = Vectors::kRows;

  static DCNET_INLINE Vector load(const float* from) {
    Vector value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }

  static DCNET_INLINE void store(float* to, const Vector& value) { std::memcpy(to, &value, sizeof value); }

  // c[r][0 … panel] = Σ a[r·aRow + i·aStep]·b[i·bStep + …] over i, or that added to it; kRows rows.
  static DCNET_INLINE void multiply(const float* a, int64_t aRow, int64_t aStep, const float* b, int64_t bStep,
                                    int64_t count, float* c, int64_t cRow, bool adds) {
    Vector left[kRows], right[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; r++) {
      left[r] = adds ? load(c + r * cRow) : Vector{};
      right[r] = adds ? load(c + r * cRow + kLanes) : Vector{};
    }
    for (int64_t i = 0; i < count; i++, a += aStep, b += bStep) {
      const Vector b0 = load(b);
      const Vector b1 = load(b + kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; r++) {
        left[r] += b0 * a[r * aRow];
        right[r] += b1 * a[r * aRow];
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; r++) {
      store(c + r * cRow, left[r]);
      store(c + r * cRow + kLanes, right[r]);
    }
  }

  // A row's points, each in its plane.
  static DCNET_INLINE void storeRow(const Vector (&points)[kSide], int row, float* to, int64_t plane) {
#pragma GCC unroll 6
    for (int column = 0; column < kSide; column++) store(to + (kSide * row + column) * plane, points[column]);
  }

  static DCNET_INLINE float sum(const Vector& values) {
    float lanes[kLanes];
    store(lanes, values);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t lane = 0; lane < kLanes; lane++) sum += lanes[lane];
    return sum;
  }

  // Σ x² of the sixteen pixels that a tile gives: those in its middle.
  static DCNET_INLINE void squarePixels(const TiledSizes& sizes, const Place& place, const Pixels& pixels,
                                        float* squares) {
    for (int64_t row = 0; row < kOut && place.row + row < sizes.height; row++)
      for (int64_t column = 0; column < kOut && place.column + column < sizes.width; column++) {
        const float* const from = pixels.at[row + 1][column + 1];
        Vector total{};
        for (int64_t c = 0; c < sizes.channels; c += kLanes) {
          const Vector value = load(from + c);
          total += value * value;
        }
        squares[(place.image * sizes.height + place.row + row) * sizes.width + place.column + column] = sum(total);
      }
  }

  // Bᵀ d B of a block's tiles, [point, tile, channels], and the squares where they are asked for.
  static DCNET_INLINE void transformTiles(const TiledSizes& sizes, const TileBlock& block, const float* x, float* squares,
                                          float* zeros, float* tiles, int64_t plane) {
    std::fill_n(zeros, sizes.channels, 0.f);
    for (int64_t tile = 0; tile < block.count; tile++) {
      const Place place(sizes, block.first + tile);
      const Pixels pixels(sizes, place, x, zeros);
      if (squares != nullptr) squarePixels(sizes, place, pixels, squares);
      for (int64_t c = 0; c < sizes.channels; c += kLanes) {
        Vector rows[kSide][kSide];
#pragma GCC unroll 6
        for (int column = 0; column < kSide; column++) {
          Vector d[kSide], t[kSide];
#pragma GCC unroll 6
          for (int row = 0; row < kSide; row++) d[row] = load(pixels.at[row][column] + c);
          Line1::ofPixels(d, t);
#pragma GCC unroll 6
          for (int row = 0; row < kSide; row++) rows[row][column] = t[row];
        }
#pragma GCC unroll 6
        for (int row = 0; row < kSide; row++) {
          Vector points[kSide];
          Line1::ofPixels(rows[row], points);
          storeRow(points, row, tiles + tile * sizes.channels + c, plane);
        }
      }
    }
  }

  // Aᵀ m A of a block's tiles: four rows of four pixels, of which the last rows or columns may lie beyond the image.
  static DCNET_INLINE void storeOutputs(const TiledSizes& sizes, const TileBlock& block, const float* products,
                                        int64_t pitch, int64_t plane, const TileExtras& extras, float* y) {
    for (int64_t tile = 0; tile < block.count; tile++) {
      const Place place(sizes, block.first + tile);
      const int64_t pixel = (place.image * sizes.outHeight + place.row) * sizes.outWidth + place.column;
      const int64_t height = std::min(kTileSize, sizes.outHeight - place.row);
      const int64_t width = std::min(kTileSize, sizes.outWidth - place.column);
      for (int64_t f = 0; f < sizes.filters; f += kLanes) {
        const float* const from = products + tile * pitch + f;
        Vector rows[kOut][kSide];
#pragma GCC unroll 6
        for (int column = 0; column < kSide; column++) {
          Vector m[kSide], out[kOut];
#pragma GCC unroll 6
          for (int row = 0; row < kSide; row++) m[row] = load(from + (kSide * row + column) * plane);
          Line1::ofProducts(m, out);
#pragma GCC unroll 4
          for (int row = 0; row < kOut; row++) rows[row][column] = out[row];
        }
        for (int64_t row = 0; row < height; row++) {
          Vector out[kOut];
          Line1::ofProducts(rows[row], out);
          for (int64_t column = 0; column < width; column++)
            storeOutput(out[column], pixel + row * sizes.outWidth + column, sizes.filters, f, extras, y);
        }
      }
    }
  }

  static DCNET_INLINE void storeOutput(const Vector& value, int64_t pixel, int64_t filters, int64_t f,
                                       const TileExtras& extras, float* y) {
    const int64_t at = pixel * filters + f;
    store(y + at, extras.factors == nullptr ? value : value + load(extras.source + at) * extras.factors[pixel]);
  }

  // A dy Aᵀ of a block's tiles, [point, tile, filters up to a panel]; what lies beyond the image counts as 0.
  static DCNET_INLINE void transformUpstreams(const TiledSizes& sizes, const TileBlock& block, const float* dy,
                                              float* upstreams, int64_t pitch, int64_t plane) {
    for (int64_t tile = 0; tile < block.count; tile++) {
      const Place place(sizes, block.first + tile);
      const float* const first =
          dy + ((place.image * sizes.outHeight + place.row) * sizes.outWidth + place.column) * sizes.filters;
      for (int64_t f = 0; f < pitch; f += kLanes) {
        Vector rows[kSide][kOut];
#pragma GCC unroll 4
        for (int column = 0; column < kOut; column++) {
          const bool isThere = f < sizes.filters && place.column + column < sizes.outWidth;
          Vector pixels[kOut], t[kSide];
#pragma GCC unroll 4
          for (int row = 0; row < kOut; row++)
            pixels[row] = isThere && place.row + row < sizes.outHeight
                                 ? load(first + (row * sizes.outWidth + column) * sizes.filters + f)
                                 : Vector{};
          Line1::ofUpstreams(pixels, t);
#pragma GCC unroll 6
          for (int row = 0; row < kSide; row++) rows[row][column] = t[row];
        }
#pragma GCC unroll 6
        for (int row = 0; row < kSide; row++) {
          Vector points[kSide];
          Line1::ofUpstreams(rows[row], points);
          storeRow(points, row, upstreams + tile * pitch + f, plane);
        }
      }
    }
  }

  static DCNET_INLINE void transformFilters(const TiledSizes& sizes, const TiledFilters& filters, int64_t panel,
                                            float* room, float* panels) {
    const int64_t channels = sizes.channels;
    const int64_t tap = channels * sizes.filters;
    const int64_t plane = panelPlane(sizes, kPanel);
    for (int64_t f = panel * kPanel; f < (panel + 1) * kPanel; f += kLanes) {
      float* const to = panels + panel * channels * kPanel + f % kPanel;
      const bool isThere = f < sizes.filters;
      // [tap, channels, filters], the filters of one vector at least.
      const float* g = filters.w + f;
      int64_t gTap = tap;
      int64_t gChannel = sizes.filters;
      if (filters.backward && isThere) {
        turn(filters.w + f * channels, channels, tap, room);
        g = room;
        gTap = channels * kLanes;
        gChannel = kLanes;
      }
      for (int64_t c = 0; c < channels; c++) {
        Vector rows[kSide][3];
#pragma GCC unroll 3
        for (int column = 0; column < 3; column++) {
          const float* const at = g + column * gTap + c * gChannel;
          Vector weights[3], t[kSide];
#pragma GCC unroll 3
          for (int row = 0; row < 3; row++) weights[row] = isThere ? load(at + 3 * row * gTap) : Vector{};
          Line1::ofWeights(weights, t);
#pragma GCC unroll 6
          for (int row = 0; row < kSide; row++) rows[row][column] = t[row];
        }
#pragma GCC unroll 6
        for (int row = 0; row < kSide; row++) {
          Vector points[kSide];
          Line1::ofWeights(rows[row], points);
          storeRow(points, row, to + c * kPanel, plane);
        }
      }
    }
  }

  // A vector's filters of [tap, filters, channels], flipped and transposed to [tap, channels, filters].
  static DCNET_INLINE void turn(const float* w, int64_t channels, int64_t tap, float* turned) {
    for (int64_t t = 0; t < 9; t++)
      for (int64_t lane = 0; lane < kLanes; lane++)
        for (int64_t c = 0; c < channels; c++)
          turned[((8 - t) * channels + c) * kLanes + lane] = w[t * tap + lane * channels + c];
  }

  static DCNET_INLINE void convolve(const TiledSizes& sizes, const TileBlock& block, const float* x, const float* panels,
                                    const TileExtras& extras, float* room, float* y) {
    const int64_t channels = sizes.channels;
    const int64_t pitch = upTo(kPanel, sizes.filters);
    const int64_t tilePlane = planeOf(block.count, channels);
    const int64_t productPlane = planeOf(block.count, pitch);
    float* const tiles = room + channels;
    float* const products = tiles + kPoints * tilePlane;
    transformTiles(sizes, block, x, extras.squares, room, tiles, tilePlane);
    for (int64_t point = 0; point < kPoints; point++) {
      const float* panel = panels + point * panelPlane(sizes, kPanel);
      for (int64_t f = 0; f < pitch; f += kPanel, panel += channels * kPanel)
        for (int64_t tile = 0; tile < block.count; tile += kRows)
          multiply(tiles + point * tilePlane + tile * channels, channels, 1, panel, kPanel, channels,
                   products + point * productPlane + tile * pitch + f, pitch, false);
    }
    storeOutputs(sizes, block, products, pitch, productPlane, extras, y);
  }

  static DCNET_INLINE void sumFilterGradient(const TiledSizes& sizes, const TileBlock& block, const float* x,
                                             const float* dy, bool adds, float* room, float* sums) {
    const int64_t channels = sizes.channels;
    const int64_t pitch = upTo(kPanel, sizes.filters);
    const int64_t tilePlane = planeOf(block.count, channels);
    const int64_t upstreamPlane = planeOf(block.count, pitch);
    float* const tiles = room + channels;
    float* const upstreams = tiles + kPoints * tilePlane;
    transformTiles(sizes, block, x, nullptr, room, tiles, tilePlane);
    transformUpstreams(sizes, block, dy, upstreams, pitch, upstreamPlane);
    for (int64_t point = 0; point < kPoints; point++)
      for (int64_t f = 0; f < pitch; f += kPanel)
        for (int64_t c = 0; c < channels; c += kRows)
          multiply(tiles + point * tilePlane + c, 1, channels, upstreams + point * upstreamPlane + f, pitch, block.count,
                   sums + (c * kPoints + point) * pitch + f, kPoints * pitch, adds);
  }

  static DCNET_INLINE void finishFilterGradient(const TiledSizes& sizes, int64_t channel, const float* sums,
                                                int64_t parts, float* dw) {
    const int64_t pitch = upTo(kPanel, sizes.filters);
    const int64_t part = sizes.channels * kPoints * pitch;
    const int64_t tap = sizes.channels * sizes.filters;
    for (int64_t f = 0; f < sizes.filters; f += kLanes) {
      const float* const from = sums + channel * kPoints * pitch + f;
      Vector rows[3][kSide];
#pragma GCC unroll 6
      for (int column = 0; column < kSide; column++) {
        Vector u[kSide], g[3];
#pragma GCC unroll 6
        for (int row = 0; row < kSide; row++) {
          const float* const at = from + (kSide * row + column) * pitch;
          u[row] = load(at);
          for (int64_t more = 1; more < parts; more++) u[row] += load(at + more * part);
        }
        Line1::ofSums(u, g);
#pragma GCC unroll 3
        for (int row = 0; row < 3; row++) rows[row][column] = g[row];
      }
#pragma GCC unroll 3
      for (int row = 0; row < 3; row++) {
        Vector g[3];
        Line1::ofSums(rows[row], g);
        float* const to = dw + 3 * row * tap + channel * sizes.filters + f;
#pragma GCC unroll 3
        for (int column = 0; column < 3; column++) store(to + column * tap, g[column]);
      }
    }
  }
};

// The kernels compiled for a processor.
#define DCNET_TILE_KERNELS(name, Vectors, attributes)                                                                  \
  attributes void name##Filters(const TiledSizes& sizes, const TiledFilters& filters, int64_t panel, float* room,      \
                                float* panels) {                                                                       \
    Tiles<Vectors>::transformFilters(sizes, filters, panel, room, panels);                                             \
  }                                                                                                                    \
  attributes void name##Convolve(const TiledSizes& sizes, const TileBlock& block, const float* x, const float* panels, \
                                 const TileExtras& extras, float* room, float* y) {                                    \
    Tiles<Vectors>::convolve(sizes, block, x, panels, extras, room, y);                                                \
  }                                                                                                                    \
  attributes void name##Sum(const TiledSizes& sizes, const TileBlock& block, const float* x, const float* dy,          \
                            bool adds, float* room, float* sums) {                                                     \
    Tiles<Vectors>::sumFilterGradient(sizes, block, x, dy, adds, room, sums);                                          \
  }                                                                                                                    \
  attributes void name##Finish(const TiledSizes& sizes, int64_t channel, const float* sums, int64_t parts,             \
                               float* dw) {                                                                            \
    Tiles<Vectors>::finishFilterGradient(sizes, channel, sums, parts, dw);                                             \
  }                                                                                                                    \
  constexpr TileKernels name{Tiles<Vectors>::kPanel, name##Filters, name##Convolve, name##Sum, name##Finish};

DCNET_TILE_KERNELS(kAnywhere, Vectors4, )
#if defined(__x86_64__)
DCNET_TILE_KERNELS(kAvx2, Vectors8, __attribute__((target("avx2,fma"))))
DCNET_TILE_KERNELS(kAvx512, Vectors16, __attribute__((target("avx512f,avx2,fma"))))
#endif

}  // namespace

const TileKernels& tileKernels() {
#if defined(__x86_64__)
  static const TileKernels& chosen = __builtin_cpu_supports("avx512f")                                   ? kAvx512
                                     : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? kAvx2
                                                                                                        : kAnywhere;
  return chosen;
#else
  return kAnywhere;
#endif
}

int64_t tilesOfBlock(const TiledSizes& sizes) {
  const int64_t few = (int64_t{1} << 13) / (sizes.channels + sizes.filters) / kMostRows * kMostRows;
  return std::min(std::max<int64_t>(few, 2 * kMostRows), upTo(kMostRows, sizes.tiles()));
}

int64_t panelPlane(const TiledSizes& sizes, int64_t panel) {
  return sizes.channels * upTo(panel, sizes.filters) + kPlaneGap;
}

int64_t roomOfPanel(const TiledSizes& sizes) { return 9 * sizes.channels * kWidestPanel / 2; }

int64_t roomOf(const TiledSizes& sizes, int64_t tiles) {
  return sizes.channels +
         kPoints * (planeOf(tiles, sizes.channels) + planeOf(tiles, upTo(kWidestPanel, sizes.filters)));
}

}  // namespace dcnet
