#ifndef DCNET_PARALLEL_H_
#define DCNET_PARALLEL_H_

#include <cstdint>
#include <functional>

// Compiled for x86-64-v4 (AVX-512), x86-64-v3 (AVX2, FMA) and for what every machine has; the loader takes what the processor can. The clone of
// a processor's name ("arch=haswell") is taken on that maker's processors alone, so an older compiler makes one of AVX2.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define DCNET_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DCNET_VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#define DCNET_VECTORISED
#endif

// A product is rounded before it is added to: no FMA, whatever the processor can.
#if defined(__GNUC__) && !defined(__clang__)
#define DCNET_ROUNDED __attribute__((optimize("fp-contract=off")))
#else
#define DCNET_ROUNDED
#endif

// For what such a function calls: it is compiled with it.
#define DCNET_INLINE inline __attribute__((always_inline))

namespace dcnet {

// Run part(0), …, part(parts − 1) on all cores, in any order; the caller works too. What the parts are may depend on
// sizes alone: then results are the same to the last bit on any number of cores. `part` must not throw.
void inParallel(int64_t parts, const std::function<void(int64_t)>& part);

// Rows that one part takes of a [rows, width] image: some 64 kB, which a core's cache keeps.
inline int64_t rowsOfPart(int64_t width) {
  const int64_t rows = (int64_t{1} << 14) / width;
  return rows > 1 ? rows : 1;
}

inline int64_t partsOf(int64_t rows, int64_t perPart) { return (rows + perPart - 1) / perPart; }

}  // namespace dcnet

#endif  // DCNET_PARALLEL_H_
