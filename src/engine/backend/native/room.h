#ifndef DCNET_ROOM_H_
#define DCNET_ROOM_H_

#include <cstdint>
#include <memory>
#include <vector>

namespace dcnet {

// Memory to work in; its values are whatever it held.
inline std::unique_ptr<float[]> roomFor(int64_t size) { return std::unique_ptr<float[]>(new float[size]); }

// What a thread keeps memory for, from one run to the next: new memory would have to be mapped and cleared each time.
enum class Use { kBlock, kPanels, kSums };

// Of a thread's own, of finite values.
template <Use use>
float* roomOfThread(int64_t size) {
  thread_local std::vector<float> room;
  if (room.size() < static_cast<size_t>(size)) room.assign(size, 0.f);
  return room.data();
}

}  // namespace dcnet

#endif  // DCNET_ROOM_H_
