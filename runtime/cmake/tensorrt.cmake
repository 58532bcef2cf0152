# The TensorRT back end. It is C++, and the only one that needs its engine's headers, so it is built only where these
# are: NVIDIA's NvInferRuntime.h and CUDA's (-DTENSORRT_ROOT=..., -DCUDAToolkit_ROOT=... where they lie elsewhere). The
# libraries are opened at run time.
set(DAE_TENSORRT AUTO CACHE STRING "the TensorRT back end: ON, OFF, or AUTO: where its headers are found")
set(DAE_PLAN_SOURCES infer/plan.c infer/plan_sidecar.c infer/plan_model.c infer/json_canonical.c)
if(NOT DAE_TENSORRT)
  return()
endif()
include(CheckLanguage)
check_language(CXX)
find_path(DAE_TENSORRT_INCLUDE NvInferRuntime.h HINTS ${TENSORRT_ROOT} ENV TENSORRT_ROOT PATH_SUFFIXES include)
find_path(DAE_CUDA_INCLUDE cuda_runtime_api.h HINTS ${CUDAToolkit_ROOT} ENV CUDA_HOME ENV CUDA_PATH
  PATHS /usr/local/cuda PATH_SUFFIXES include targets/aarch64-linux/include targets/x86_64-linux/include)
if(NOT (CMAKE_CXX_COMPILER AND DAE_TENSORRT_INCLUDE AND DAE_CUDA_INCLUDE))
  if(NOT DAE_TENSORRT STREQUAL AUTO)
    message(FATAL_ERROR "DAE_TENSORRT: wanted a C++ compiler, NvInferRuntime.h and cuda_runtime_api.h; found "
      "'${CMAKE_CXX_COMPILER}', '${DAE_TENSORRT_INCLUDE}', '${DAE_CUDA_INCLUDE}'")
  endif()
  message(STATUS "dae: no TensorRT back end: its headers or CUDA's are not here")
  return()
endif()

enable_language(CXX)
message(STATUS "dae: TensorRT back end, with ${DAE_TENSORRT_INCLUDE} and ${DAE_CUDA_INCLUDE}")
set(DAE_HAVE_TENSORRT ON)
target_sources(dae PRIVATE ${DAE_PLAN_SOURCES} infer/cuda.cpp infer/engine_tensorrt.cpp infer/tensorrt_session.cpp)
target_link_libraries(dae PRIVATE stdc++) # for programs in C
target_compile_definitions(dae PRIVATE DAE_HAVE_TENSORRT)
target_compile_features(dae PRIVATE cxx_std_17)
target_include_directories(dae SYSTEM PRIVATE ${DAE_TENSORRT_INCLUDE} ${DAE_CUDA_INCLUDE})
target_compile_options(dae PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>) # none may cross into C
set_target_properties(dae PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
