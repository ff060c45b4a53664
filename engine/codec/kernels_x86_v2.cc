// The kernels for x86-64-v2 (SSE4.2); see CMakeLists.txt for the flags.
#ifdef QUIPU_X86_KERNELS
#define QUIPU_KERNELS x86_64_v2
#define QUIPU_KERNEL_WORDS 2
#include "codec/kernel_source.h"
#endif
