"""``python -m phasemap``: the console command."""

from phasemap.command_line import main

if __name__ == "__main__":
    main()
