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
        row(tile % sizes.perImage() / sizes.perRow() * 2),
        column(tile % sizes.perRow() * 2) {}
};

// Where the 4×4 pixels of a tile lie; `zeros`, one pixel of them, stands for those beyond the image's edge.
struct Pixels {
  const float* at[4][4];

  DCNET_INLINE Pixels(const TiledSizes& sizes, const Place& place, const float* x, const float* zeros) {
    const float* const image = x + place.image * sizes.height * sizes.width * sizes.channels;
    for (int64_t row = 0; row < 4; row++)
      for (int64_t column = 0; column < 4; column++) {
        const int64_t y = place.row - sizes.padTop + row;
        const int64_t c = place.column - sizes.padLeft + column;
        const bool isInside = y >= 0 && y < sizes.height && c >= 0 && c < sizes.width;
        at[row][column] = isInside ? image + (y * sizes.width + c) * sizes.channels : zeros;
      }
  }
};

template <class Vectors>
struct Tiles {
  typedef typename Vectors::Vector Vector;
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

  // A row of Bᵀ d, times B.
  static DCNET_INLINE void storeTileRow(const Vector& t0, const Vector& t1, const Vector& t2, const Vector& t3, float* to,
                                        int64_t plane) {
    store(to, t0 - t2);
    store(to + plane, t1 + t2);
    store(to + 2 * plane, t2 - t1);
    store(to + 3 * plane, t1 - t3);
  }

  static DCNET_INLINE float sum(const Vector& values) {
    float lanes[kLanes];
    store(lanes, values);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t lane = 0; lane < kLanes; lane++) sum += lanes[lane];
    return sum;
  }

  // Σ x² of the four pixels that a tile gives: those in its middle.
  static DCNET_INLINE void squarePixels(const TiledSizes& sizes, const Place& place, const Pixels& pixels,
                                        float* squares) {
    for (int64_t row = 0; row < 2 && place.row + row < sizes.height; row++)
      for (int64_t column = 0; column < 2 && place.column + column < sizes.width; column++) {
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
        Vector d[4][4];
#pragma GCC unroll 4
        for (int row = 0; row < 4; row++)
#pragma GCC unroll 4
          for (int column = 0; column < 4; column++)
            d[row][column] = load(pixels.at[row][column] + c);
        float* const to = tiles + tile * sizes.channels + c;
        storeTileRow(d[0][0] - d[2][0], d[0][1] - d[2][1], d[0][2] - d[2][2], d[0][3] - d[2][3], to, plane);
        storeTileRow(d[1][0] + d[2][0], d[1][1] + d[2][1], d[1][2] + d[2][2], d[1][3] + d[2][3], to + 4 * plane, plane);
        storeTileRow(d[2][0] - d[1][0], d[2][1] - d[1][1], d[2][2] - d[1][2], d[2][3] - d[1][3], to + 8 * plane, plane);
        storeTileRow(d[1][0] - d[3][0], d[1][1] - d[3][1], d[1][2] - d[3][2], d[1][3] - d[3][3], to + 12 * plane, plane);
      }
    }
  }

  // Aᵀ m A of a block's tiles: two rows of two pixels, of which the second row or column may lie beyond the image.
  static DCNET_INLINE void storeOutputs(const TiledSizes& sizes, const TileBlock& block, const float* products,
                                        int64_t pitch, int64_t plane, const TileExtras& extras, float* y) {
    for (int64_t tile = 0; tile < block.count; tile++) {
      const Place place(sizes, block.first + tile);
      const int64_t pixel = (place.image * sizes.outHeight + place.row) * sizes.outWidth + place.column;
      const bool hasRow = place.row + 1 < sizes.outHeight;
      const bool hasColumn = place.column + 1 < sizes.outWidth;
      for (int64_t f = 0; f < sizes.filters; f += kLanes) {
        const float* const from = products + tile * pitch + f;
        Vector upper[4], lower[4];
#pragma GCC unroll 4
        for (int column = 0; column < 4; column++) {
          const Vector m0 = load(from + column * plane);
          const Vector m1 = load(from + (4 + column) * plane);
          const Vector m2 = load(from + (8 + column) * plane);
          const Vector m3 = load(from + (12 + column) * plane);
          upper[column] = m0 + m1 + m2;
          lower[column] = m1 - m2 - m3;
        }
        storeOutput(upper[0] + upper[1] + upper[2], pixel, sizes.filters, f, extras, y);
        if (hasColumn) storeOutput(upper[1] - upper[2] - upper[3], pixel + 1, sizes.filters, f, extras, y);
        if (!hasRow) continue;
        const int64_t below = pixel + sizes.outWidth;
        storeOutput(lower[0] + lower[1] + lower[2], below, sizes.filters, f, extras, y);
        if (hasColumn) storeOutput(lower[1] - lower[2] - lower[3], below + 1, sizes.filters, f, extras, y);
      }
    }
  }

  static DCNET_INLINE void storeOutput(const Vector& value, int64_t pixel, int64_t filters, int64_t f,
                                       const TileExtras& extras, float* y) {
    const int64_t at = pixel * filters + f;
    store(y + at, extras.factors == nullptr ? value : value + load(extras.source + at) * extras.factors[pixel]);
  }

  // A row of A dy, times Aᵀ.
  static DCNET_INLINE void storeUpstreamRow(const Vector& a, const Vector& b, float* to, int64_t plane) {
    store(to, a);
    store(to + plane, a + b);
    store(to + 2 * plane, a - b);
    store(to + 3 * plane, -b);
  }

  // A dy Aᵀ of a block's tiles, [point, tile, filters up to a panel]; what lies beyond the image counts as 0.
  static DCNET_INLINE void transformUpstreams(const TiledSizes& sizes, const TileBlock& block, const float* dy,
                                              float* upstreams, int64_t pitch, int64_t plane) {
    const int64_t pixel = sizes.filters;
    for (int64_t tile = 0; tile < block.count; tile++) {
      const Place place(sizes, block.first + tile);
      const float* const first =
          dy + ((place.image * sizes.outHeight + place.row) * sizes.outWidth + place.column) * pixel;
      const float* const below = first + sizes.outWidth * pixel;
      const bool hasRow = place.row + 1 < sizes.outHeight;
      const bool hasColumn = place.column + 1 < sizes.outWidth;
      for (int64_t f = 0; f < pitch; f += kLanes) {
        const bool isThere = f < sizes.filters;
        const Vector d00 = isThere ? load(first + f) : Vector{};
        const Vector d01 = isThere && hasColumn ? load(first + pixel + f) : Vector{};
        const Vector d10 = isThere && hasRow ? load(below + f) : Vector{};
        const Vector d11 = isThere && hasRow && hasColumn ? load(below + pixel + f) : Vector{};
        float* const to = upstreams + tile * pitch + f;
        storeUpstreamRow(d00, d01, to, plane);
        storeUpstreamRow(d00 + d10, d01 + d11, to + 4 * plane, plane);
        storeUpstreamRow(d00 - d10, d01 - d11, to + 8 * plane, plane);
        storeUpstreamRow(-d10, -d11, to + 12 * plane, plane);
      }
    }
  }

  static DCNET_INLINE void transformFilters(const TiledSizes& sizes, const TiledFilters& filters, int64_t panel,
                                            float* room, float* panels) {
    const int64_t channels = sizes.channels;
    const int64_t tap = channels * sizes.filters;
    const int64_t plane = channels * upTo(kPanel, sizes.filters);
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
        Vector rows[4][3];
#pragma GCC unroll 3
        for (int column = 0; column < 3; column++) {
          const float* const at = g + column * gTap + c * gChannel;
          const Vector g0 = isThere ? load(at) : Vector{};
          const Vector g1 = isThere ? load(at + 3 * gTap) : Vector{};
          const Vector g2 = isThere ? load(at + 6 * gTap) : Vector{};
          rows[0][column] = g0;
          rows[1][column] = (g0 + g1 + g2) * .5f;
          rows[2][column] = (g0 - g1 + g2) * .5f;
          rows[3][column] = g2;
        }
#pragma GCC unroll 4
        for (int row = 0; row < 4; row++) {
          float* const out = to + c * kPanel + 4 * row * plane;
          store(out, rows[row][0]);
          store(out + plane, (rows[row][0] + rows[row][1] + rows[row][2]) * .5f);
          store(out + 2 * plane, (rows[row][0] - rows[row][1] + rows[row][2]) * .5f);
          store(out + 3 * plane, rows[row][2]);
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
      const float* panel = panels + point * channels * pitch;
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
                   sums + (point * channels + c) * pitch + f, pitch, adds);
  }

  static DCNET_INLINE void finishFilterGradient(const TiledSizes& sizes, int64_t channel, const float* sums,
                                                int64_t parts, float* dw) {
    const int64_t pitch = upTo(kPanel, sizes.filters);
    const int64_t plane = sizes.channels * pitch;
    const int64_t tap = sizes.channels * sizes.filters;
    for (int64_t f = 0; f < sizes.filters; f += kLanes) {
      const float* const from = sums + channel * pitch + f;
      Vector rows[3][4];
#pragma GCC unroll 4
      for (int column = 0; column < 4; column++) {
        Vector u[4];
#pragma GCC unroll 4
        for (int row = 0; row < 4; row++) {
          u[row] = load(from + (4 * row + column) * plane);
          for (int64_t part = 1; part < parts; part++)
            u[row] += load(from + (part * kPoints + 4 * row + column) * plane);
        }
        rows[0][column] = u[0] + (u[1] + u[2]) * .5f;
        rows[1][column] = (u[1] - u[2]) * .5f;
        rows[2][column] = (u[1] + u[2]) * .5f + u[3];
      }
#pragma GCC unroll 3
      for (int row = 0; row < 3; row++) {
        float* const to = dw + 3 * row * tap + channel * sizes.filters + f;
        store(to, rows[row][0] + (rows[row][1] + rows[row][2]) * .5f);
        store(to + tap, (rows[row][1] - rows[row][2]) * .5f);
        store(to + 2 * tap, (rows[row][1] + rows[row][2]) * .5f + rows[row][3]);
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
  const int64_t few = (int64_t{1} << 14) / (sizes.channels + sizes.filters) / kMostRows * kMostRows;
  return std::min(std::max<int64_t>(few, 2 * kMostRows), upTo(kMostRows, sizes.tiles()));
}

int64_t roomOfPanel(const TiledSizes& sizes) { return 9 * sizes.channels * kWidestPanel / 2; }

int64_t roomOf(const TiledSizes& sizes, int64_t tiles) {
  return sizes.channels +
         kPoints * (planeOf(tiles, sizes.channels) + planeOf(tiles, upTo(kWidestPanel, sizes.filters)));
}

}  // namespace dcnet
