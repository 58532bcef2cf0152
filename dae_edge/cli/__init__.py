"""The commands: argparse and printing; the work is done elsewhere in the package."""
