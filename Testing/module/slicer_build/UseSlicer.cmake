include(CTest)

# Installs scripts and resources under the paths by which they are listed.
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(NOT MODULE_NAME OR MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: no NAME, or unknown arguments: ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "slicerMacroBuildScriptedModule: there is no file ${file}")
    endif()
    get_filename_component(folder "${file}" DIRECTORY)
    install(
      FILES "${file}"
      DESTINATION "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder}"
      COMPONENT RuntimeLibraries
    )
  endforeach()
endmacro()

macro(slicer_add_python_unittest)
  cmake_parse_arguments(UNITTEST "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  get_filename_component(script_name "${UNITTEST_SCRIPT}" NAME_WE)
  add_test(NAME "py_${UNITTEST_TESTNAME_PREFIX}${script_name}" COMMAND Slicer --testing)
endmacro()
