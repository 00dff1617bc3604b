#ifndef DCNET_NORMALIZATION_H_
#define DCNET_NORMALIZATION_H_

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernel.h"
#include "parallel.h"
#include "room.h"

// Batch normalisation of rows of channels that lie in memory, or that a source computes while they are first read. It has
//   const float* rows(int64_t begin, int64_t end) const   the rows, computed now if they are computed,
//   const float* again(int64_t begin) const               the same rows later,
// and what takes their gradient has
//   float* room(int64_t begin, float* room) const                    where to write the gradient of the rows from `begin`,
//   void take(int64_t part, int64_t begin, int64_t end, const float* gradient) const  that is called when it is there.
namespace dcnet {

// Rows of channels, [rows, channels], and how they are shared out.
struct Rows {
  int64_t rows, channels, perPart, parts;

  explicit Rows(const Tensor& x) : Rows(x.size() / x.lastDim(), x.lastDim()) {}

  Rows(int64_t count, int64_t width)
      : rows(count),
        channels(width),
        perPart(rowsOfPart(channels)),
        parts(partsOf(rows, perPart)) {}

  // Rows of a few kB, which the nearest cache keeps while several loops pass over them.
  int64_t perBlock() const { return std::max<int64_t>(1, 2048 / channels); }
  int64_t begin(int64_t part) const { return part * perPart; }
  int64_t end(int64_t part) const { return std::min(rows, begin(part) + perPart); }
};

// x·slope + shift of each channel, cut at 0 if `relu`.
struct Affine {
  const float* slope;
  const float* shift;
  int64_t channels;
  bool relu;
};

// Some rows: what was normalised, what came out, and its gradient.
struct Images {
  const float* x;
  const float* y;
  const float* dy;
  int64_t channels;
};

// Per channel, what dx = slope·(dy − meanDy − (x − mean)·tilt) takes.
struct Line {
  const float* mean;
  const float* slope;
  const float* meanDy;
  const float* tilt;
};

// The mean of rows, and Σ (x − mean)², written to [channels] of zeros each.
void addMoments(const float* x, int64_t rows, int64_t channels, float* mean, float* squares);

void applyAffine(const float* x, int64_t rows, const Affine& line, float* out);

// Add Σ dy and Σ dy·(x − mean) of rows to [channels] each.
void addSums(bool relu, const Images& images, int64_t rows, const float* mean, float* byBeta, float* byGamma);

// dx of rows.
void gradientThrough(bool relu, const Images& images, int64_t rows, const Line& line, float* dx);

// Call use(begin, end) for the blocks of a part's rows, in order.
template <class Use>
void forBlocks(const Rows& shared, int64_t part, const Use& use) {
  const int64_t last = shared.end(part);
  for (int64_t begin = shared.begin(part); begin < last; begin += shared.perBlock())
    use(begin, std::min(last, begin + shared.perBlock()));
}

// `rowsOf(begin, end)` gives the rows; they may lie in `out`.
template <class RowsOf>
void affineOf(const Rows& shared, const RowsOf& rowsOf, const Affine& line, float* out) {
  inParallel(shared.parts, [&](int64_t part) {
    forBlocks(shared, part, [&](int64_t begin, int64_t end) {
      applyAffine(rowsOf(begin, end), end - begin, line, out + begin * shared.channels);
    });
  });
}

// Inputs from `gammaInput` on: γ, β. Outputs: y, mean, variance, 1/σ.
template <class Source>
void normalize(const Run& run, const Shape& shape, const Source& source, int gammaInput, float epsilon, bool relu) {
  const Tensor gamma = run.input(gammaInput);
  const Tensor beta = run.input(gammaInput + 1);
  const Tensor y = run.output(0, shape);
  const Rows shared(y);
  const int64_t channels = shared.channels;
  require(gamma.size() == channels && beta.size() == channels, "Each channel has a γ and a β.");
  std::vector<float> parts(shared.parts * 2 * channels);
  inParallel(shared.parts, [&](int64_t part) {
    const int64_t begin = shared.begin(part);
    const int64_t end = shared.end(part);
    float* const mean = &parts[part * 2 * channels];
    addMoments(source.rows(begin, end), end - begin, channels, mean, mean + channels);
  });

  const Tensor mean = run.output(1, {channels});
  const Tensor variance = run.output(2, {channels});
  const Tensor inverse = run.output(3, {channels});
  std::vector<float> slope(channels), shift(channels);
  for (int64_t c = 0; c < channels; c++) {
    // The parts' moments put together (Chan, Golub and LeVeque, 1979).
    double centre = 0, squares = 0, count = 0;
    for (int64_t part = 0; part < shared.parts; part++) {
      const double more = static_cast<double>(shared.end(part) - shared.begin(part));
      const double apart = parts[part * 2 * channels + c] - centre;
      const double total = count + more;
      squares += parts[(part * 2 + 1) * channels + c] + apart * apart * count * more / total;
      centre += apart * more / total;
      count = total;
    }
    const double spread = squares / count;
    const double scale = 1 / std::sqrt(spread + epsilon);
    mean.data()[c] = static_cast<float>(centre);
    variance.data()[c] = static_cast<float>(spread);
    inverse.data()[c] = static_cast<float>(scale);
    slope[c] = static_cast<float>(gamma.data()[c] * scale);
    shift[c] = static_cast<float>(beta.data()[c] - centre * gamma.data()[c] * scale);
  }
  affineOf(
      shared, [&](int64_t begin, int64_t) { return source.again(begin); },
      Affine{slope.data(), shift.data(), channels, relu}, y.data());
}

// Which output is dγ (dβ is the next), and which input is y (then dy, γ, mean, 1/σ).
struct BackPlaces {
  int gammaOutput;
  int yInput;
};

// `x` is what was normalised.
template <class Sink>
void normalizeBack(const Run& run, const BackPlaces& places, const float* x, const Sink& sink, bool relu) {
  const Tensor y = run.input(places.yInput);
  const Tensor dy = run.input(places.yInput + 1);
  const Tensor gamma = run.input(places.yInput + 2);
  const Tensor mean = run.input(places.yInput + 3);
  const Tensor inverse = run.input(places.yInput + 4);
  const Rows shared(y);
  const int64_t channels = shared.channels;
  require(dy.size() == y.size(), "y and dy are of one size.");
  const auto images = [&](int64_t begin) {
    const int64_t at = begin * channels;
    return Images{x + at, y.data() + at, dy.data() + at, channels};
  };
  std::vector<float> sums(shared.parts * 2 * channels);
  inParallel(shared.parts, [&](int64_t part) {
    float* const byBeta = &sums[part * 2 * channels];
    const int64_t begin = shared.begin(part);
    addSums(relu, images(begin), shared.end(part) - begin, mean.data(), byBeta, byBeta + channels);
  });

  const Tensor byGamma = run.output(places.gammaOutput, {channels});
  const Tensor byBeta = run.output(places.gammaOutput + 1, {channels});
  std::vector<float> slope(channels), meanDy(channels), tilt(channels);
  for (int64_t c = 0; c < channels; c++) {
    double shift = 0, scale = 0;
    for (int64_t part = 0; part < shared.parts; part++) {
      shift += sums[part * 2 * channels + c];
      scale += sums[(part * 2 + 1) * channels + c];
    }
    const double oneOverSigma = inverse.data()[c];
    byBeta.data()[c] = static_cast<float>(shift);
    byGamma.data()[c] = static_cast<float>(scale * oneOverSigma);
    slope[c] = static_cast<float>(gamma.data()[c] * oneOverSigma);
    meanDy[c] = static_cast<float>(shift / shared.rows);
    tilt[c] = static_cast<float>(scale * oneOverSigma * oneOverSigma / shared.rows);
  }
  const Line line{mean.data(), slope.data(), meanDy.data(), tilt.data()};
  inParallel(shared.parts, [&](int64_t part) {
    const auto room = roomFor(shared.perBlock() * channels);
    forBlocks(shared, part, [&](int64_t begin, int64_t end) {
      float* const gradient = sink.room(begin, room.get());
      gradientThrough(relu, images(begin), end - begin, line, gradient);
      sink.take(part, begin, end, gradient);
    });
  });
}

}  // namespace dcnet

#endif  // DCNET_NORMALIZATION_H_
