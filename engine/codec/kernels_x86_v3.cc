// The kernels for x86-64-v3 (AVX2, BMI2); see CMakeLists.txt for the flags.
#ifdef QUIPU_X86_KERNELS
#define QUIPU_KERNELS x86_64_v3
#define QUIPU_KERNEL_WORDS 4
#include "codec/kernel_source.h"
#endif
