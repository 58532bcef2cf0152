# Inference: bundle reader, engines (opened at run time), streams. Linked in only where it is used.
target_sources(dae PRIVATE infer/text.c infer/json.c infer/sha256.c infer/bundle.c infer/manifest.c infer/bundle_files.c
  infer/buffers.c infer/contract.c infer/finite.c infer/kept.c infer/library.c infer/engine_callback.c infer/engine_onnxruntime.c
  infer/engine_openvino.c infer/model.c infer/stream.c
  infer/stream_push.c)
target_link_libraries(dae PRIVATE ${CMAKE_DL_LIBS})
include(cmake/tensorrt.cmake)
