from colorizer.commands.colorize import main

main()
