// The kernels for x86-64-v4 (AVX-512); see CMakeLists.txt for the flags.
#ifdef QUIPU_X86_KERNELS
#define QUIPU_KERNELS x86_64_v4
#define QUIPU_KERNEL_WORDS 8
#include "codec/kernel_source.h"
#endif
